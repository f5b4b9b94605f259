import Flambeau
import FlambeauData
import Foundation
import Testing

@Suite struct DataLoaderStateTests {
  /// Randomly cropped digits in random order.
  static func loader(
    own generator: Generator?, workers: Int, samples: Int = 50, batchSize: Int = 8
  ) -> DataLoader<MappedDataset<Subset<TensorDataset>, Example>> {
    let data = Digits.train.subset(0..<samples).map { (example: Example) in
      dawdle(Int(example.target.item()))
      return Example(Images.randomCrop(example.input, height: 8, width: 8, padding: 2), example.target)
    }
    return DataLoader(data, batchSize: batchSize, shuffle: true, generator: generator, workers: workers)
  }

  static func bytes(_ batch: (input: Tensor, target: Tensor)) -> [UInt8] {
    batch.input.array(of: UInt8.self) + batch.target.array(of: UInt8.self)
  }

  /// Two epochs and what a program draws beside them, never interrupted.
  static func whole(own: Bool, workers: Int) -> [[UInt8]] {
    let (mine, current) = (Generator(seed: 5), Generator(seed: 6))
    return withGenerator(current) {
      let loader = loader(own: own ? mine : nil, workers: workers)
      var seen: [[UInt8]] = []
      for _ in 0..<2 {
        for batch in loader { seen.append(bytes(batch) + [UInt8(truncatingIfNeeded: Generator.drawn())]) }
      }
      return seen
    }
  }

  struct Saved: Codable {
    let loader: DataLoaderState
    let current: [UInt8]
  }

  @Test(arguments: [false, true], [0, 3])
  func anEpochGoesOnWhereItWasLeft(own: Bool, workers: Int) throws {
    let whole = Self.whole(own: own, workers: 0)
    // 7 batches an epoch.
    for left in [1, 3, 6, 7, 8, 13] {
      var saved = Data()
      let current = Generator(seed: 6)
      try withGenerator(current) {
        let loader = Self.loader(own: own ? Generator(seed: 5) : nil, workers: workers)
        var seen = 0
        epochs: while true {
          for batch in loader {
            #expect(Self.bytes(batch) + [UInt8(truncatingIfNeeded: Generator.drawn())] == whole[seen])
            seen += 1
            if seen == left {
              saved = try JSONEncoder().encode(Saved(loader: loader.state(), current: current.state))
              break epochs
            }
          }
        }
      }
      let place = try JSONDecoder().decode(Saved.self, from: saved)
      let resumed = Generator(seed: 99)
      try withGenerator(resumed) {
        let loader = Self.loader(own: own ? Generator(seed: 98) : nil, workers: 3 - workers)
        try loader.load(state: place.loader)
        resumed.state = place.current
        var seen = left
        while seen < whole.count {
          for batch in loader {
            #expect(Self.bytes(batch) + [UInt8(truncatingIfNeeded: Generator.drawn())] == whole[seen])
            seen += 1
          }
        }
        #expect(seen == whole.count)
      }
    }
  }

  @Test func loadingDrawsNothingFromTheCurrentGenerator() throws {
    let loader = Self.loader(own: nil, workers: 0)
    var iterator = loader.makeIterator()
    _ = iterator.next()
    let state = loader.state()
    let mine = Generator(seed: 3)
    let before = mine.state
    try withGenerator(mine) {
      try Self.loader(own: nil, workers: 0).load(state: state)
      #expect(mine.state == before)
    }
  }

  @Test func skippedSamplesCountAsTaken() throws {
    let data = numbers(12, without: [0, 1, 2, 7])
    let loader = DataLoader(data, batchSize: 3, onError: .skip)
    var iterator = loader.makeIterator()
    #expect(iterator.next()?.array(of: Int.self) == [3, 4, 5])
    let other = DataLoader(data, batchSize: 3, onError: .skip)
    try other.load(state: loader.state())
    #expect(other.epoch() == [[6, 8], [9, 10, 11]])
    #expect(other.epoch() == [[3, 4, 5], [6, 8], [9, 10, 11]])
  }

  @Test func statesOfOtherLoadersAreRefused() throws {
    func state(_ loader: DataLoader<MappedDataset<Subset<TensorDataset>, Example>>) -> DataLoaderState {
      var iterator = loader.makeIterator()
      _ = iterator.next()
      return loader.state()
    }
    let good = state(Self.loader(own: nil, workers: 0))
    for other in [
      Self.loader(own: nil, workers: 0, samples: 49), Self.loader(own: nil, workers: 0, batchSize: 7),
    ] {
      let error = #expect(throws: TensorError.self) { try other.load(state: good) }
      #expect(error?.description.hasPrefix("load: the state of a data loader does not fit") == true)
    }
    let error = #expect(throws: TensorError.self) {
      try Self.loader(own: Generator(), workers: 0).load(state: good)
    }
    #expect(error?.message == "the state of a data loader has no generator of its own, and this loader has one")
    let text = String(decoding: try JSONEncoder().encode(good), as: UTF8.self)
    let damaged = try JSONDecoder().decode(
      DataLoaderState.self, from: Data(text.replacingOccurrences(of: #""start":["#, with: #""start":[1,"#).utf8))
    #expect(throws: TensorError.self) { try Self.loader(own: nil, workers: 0).load(state: damaged) }
  }
}

extension Flambeau.Generator {
  /// What a program draws for itself, such as dropout, from the current generator.
  fileprivate static func drawn() -> Int64 { Tensor.randint(0, 1000, [1]).array(of: Int64.self)[0] }
}
