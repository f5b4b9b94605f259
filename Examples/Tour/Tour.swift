// A tour of Flambeau for who knows PyTorch: `swift run -c release tour`. Every line's outcome is checked.
import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauNN
import Foundation

/// Prints what a line gives, and stops where it is not what the tour says.
func show(_ what: String, _ value: some CustomStringConvertible, _ expected: String? = nil) {
  print("\(what) → \(value)")
  if let expected, value.description != expected { fatalError("the tour promised \(expected)") }
}

func chapter(_ title: String) { print("\n— \(title)") }

@main struct Tour {
  static func main() throws {
    manualSeed(0)
    tensors()
    viewsAndIndexing()
    arithmetic()
    autograd()
    errors()
    try training()
  }

  static func tensors() {
    chapter("Tensors")
    let x = Tensor([[1, 2, 3], [4, 5, 6]] as [[Float]])
    show("x.shape", x.shape, "[2, 3]")
    show("x.dtype", x.dtype, "float32")
    show("Tensor.arange(3)", Tensor.arange(3).dtype, "int64")
    show("zeros", Tensor.zeros([2, 2]).sum().item(), "0.0")
    show("torch.manual_seed(0); torch.rand(1)", Tensor.rand([1]), "tensor([0.4963])")
    show("to(.bfloat16)", x.to(.bfloat16).dtype, "bfloat16")
    show("int + float", (Tensor.arange(3) + Tensor([0.5] as [Float])).dtype, "float32")
    show("[Float](x[0])", [Float](x[0]), "[1.0, 2.0, 3.0]")
  }

  static func viewsAndIndexing() {
    chapter("Views and indexing")
    let x = Tensor.arange(12).reshape([3, 4])
    show("x[1]", x[1], "tensor([4, 5, 6, 7])")
    show("x[-1, 0]", x[-1, 0].item(), "8.0")
    show("x[0..., 1..<3]", x[0..., 1..<3].shape, "[3, 2]")
    show("x.T is a view", x.T.strides, "[1, 4]")
    show("x[[2, 0]]", x[[2, 0]].shape, "[2, 4]")
    show("x[x > 9]", x[x .> 9], "tensor([10, 11])")
    let row = x[0]
    row.fill_(7)
    show("a view writes through", x[0, 2].item(), "7.0")
    show("x[.ellipsis, .newAxis]", x[.ellipsis, .newAxis].shape, "[3, 4, 1]")
  }

  static func arithmetic() {
    chapter("Arithmetic")
    let column = Tensor([[1], [2]] as [[Float]])
    let row = Tensor([10, 20, 30] as [Float])
    show("broadcasting", (column * row).shape, "[2, 3]")
    show("sum(dim: 0)", (column * row).sum(dim: 0), "tensor([30., 60., 90.])")
    show("matmul", column.T.matmul(column).item(), "5.0")
    show("softmax", row.softmax(dim: 0).sum().item(), "1.0")
    let (values, indices) = row.max(dim: 0)
    show("max(dim:)", "\(values.item()) at \(indices.item())", "30.0 at 2.0")
    show("in place", row.clone().mul_(2).add_(1), "tensor([21., 41., 61.])")
    show("where", Tensor.where(row .> 15, row, row * 0), "tensor([ 0., 20., 30.])")
  }

  static func autograd() {
    chapter("Autograd")
    let x = Tensor([1, 2, 3] as [Double]).requiresGrad_()
    (x * x).sum().backward()
    show("d Σx² / dx", x.grad!, "tensor([2., 4., 6.], dtype=torch.float64)")
    x.grad = nil
    let cube = x.pow(3).sum()
    let first = Tensor.grad(of: [cube], withRespectTo: [x], createGraph: true)[0]!
    let second = Tensor.grad(of: [first.sum()], withRespectTo: [x])[0]!
    show("second derivative", second, "tensor([ 6., 12., 18.], dtype=torch.float64)")
    show("noGrad", noGrad { x * 2.0 }.requiresGrad, "false")
    show("jacobian", jacobian(at: x) { $0 * $0 }.shape, "[3, 3]")
    let straightThrough = CustomFunction("Round") { _, inputs in
      [inputs[0].round()]
    } backward: { _, gradients in
      [gradients[0]]
    }
    straightThrough(x * 1.4).sum().backward()
    show("a derivative of your own", x.grad!, "tensor([1.4000, 1.4000, 1.4000], dtype=torch.float64)")
    let y = checkpoint { x.exp().sin() }
    show("checkpoint", y.requiresGrad, "true")
  }

  static func errors() {
    chapter("Errors")
    do {
      try withTensorErrors { _ = Tensor.ones([2, 3]).matmul(Tensor.ones([2, 3])) }
      fatalError("the tour promised an error")
    } catch {
      print(error)
    }
  }

  final class Net: Layer {
    let hidden = Linear(64, 64)
    let dropout = Dropout(0.1)
    let out = Linear(64, 10)
    func callAsFunction(_ x: Tensor) -> Tensor { out(dropout(hidden(x).relu())) }
  }

  static func training() throws {
    chapter("Training")
    let model = Net()
    show("parameters", model.parameters().reduce(0) { $0 + $1.tensor.count }, "4810")
    let optimizer = AdamW(model.parameters(), lr: 2e-3)
    for epoch in 1...8 {
      var total = 0.0
      for (images, labels) in DataLoader(Digits.train, batchSize: 64, shuffle: true) {
        let loss = model(prepare(images)).crossEntropy(labels)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        total += loss.item()
      }
      if epoch % 4 == 0 { print("epoch \(epoch): loss \(total)") }
    }
    let accuracy = judge(model)
    show("accuracy on unseen digits", accuracy)
    guard accuracy > 0.93 else { fatalError("the tour promised 93 %") }

    chapter("Saving and loading")
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("tour-\(UUID().uuidString).safetensors").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Safetensors.save(Dictionary(uniqueKeysWithValues: model.stateDict().map { ($0.key, $0.value) }), to: path)
    let copy = Net()
    try copy.loadStateDict(StateDict(Safetensors.load(path).map { ($0.key, $0.value) }))
    show("the same network", judge(copy) == accuracy, "true")
    show("memory in use", Memory.allocated > 0, "true")
  }

  static func prepare(_ images: Tensor) -> Tensor { images.to(.float32).flatten(startDim: 1) / Double(Digits.whitest) }

  static func judge(_ model: Net) -> Double {
    model.eval()
    defer { model.train() }
    return noGrad {
      let (images, labels) = DataLoader(Digits.test, batchSize: Digits.test.count).first { _ in true }!
      return model(prepare(images)).argmax(dim: 1).eq(labels).to(.float32).mean().item()
    }
  }
}
