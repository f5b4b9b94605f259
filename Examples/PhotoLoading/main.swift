// How fast a folder of photos is read: swift run -c release PhotoLoading FOLDER
//
// FOLDER has a folder for each class. Photos are decoded, a random part of each is resized to 224 × 224, mirrored now and then and
// normalised, by two threads that work ahead of the loop: what torchvision's ImageFolder, RandomResizedCrop,
// RandomHorizontalFlip, ToTensor and Normalize do in two processes. Benchmarks/photo_loading.py measures both.
import Flambeau
import FlambeauData

guard CommandLine.arguments.count == 2 else { fatalError("usage: PhotoLoading FOLDER") }
let photos = try ImageFolder(CommandLine.arguments[1])
  .transformed(by: Compose(RandomResizedCrop(224), RandomHorizontalFlip(), ToFloat(), Normalize.imageNet))
let loader = DataLoader(photos, batchSize: 32, shuffle: true, generator: Generator(seed: 0), workers: 2)
for epoch in 1...3 {
  let start = ContinuousClock.now
  var count = 0
  for (images, _) in loader { count += images.shape[0] }
  let time = (ContinuousClock.now - start) / .seconds(1)
  print("epoch \(epoch): \(count) photos, \(Int(Double(count) / time)) photos/s")
}
