import Flambeau
import Testing

@testable import FlambeauNN

private final class Block: Layer {
  let linear1: Linear
  let layerNorm: Scale
  init(_ width: Int) {
    linear1 = Linear(width, width)
    layerNorm = Scale(width)
  }
  func callAsFunction(_ x: Tensor) -> Tensor { layerNorm(linear1(x)) }
}

private final class Scale: Layer {
  let inProjWeight: Parameter
  let runningMean: Buffer
  let cache: Buffer
  let mode = Mode()
  let width: Int
  let table: [Float] = [1, 2, 3]
  init(_ width: Int) {
    inProjWeight = Parameter(.ones([width]))
    runningMean = Buffer(.zeros([width]))
    cache = Buffer(.zeros([1]), persistent: false)
    self.width = width
  }
  func callAsFunction(_ x: Tensor) -> Tensor { x * inProjWeight.tensor + runningMean.tensor }
  var configuration: String { "width: \(width)" }
}

private final class Net: Module {
  let blocks: [Block]
  let head: Linear?
  let missing: Linear?
  let heads: [String: any Module]
  let scale: Parameter?
  let list: [Parameter]
  let wte = Parameter(.zeros([5, 4]))
  let tied: Linear
  let again: Linear
  static let stateNames = ["heads": "classifiers", "list": ""]

  init() {
    blocks = [Block(4), Block(4)]
    head = Linear(4, 2, bias: false)
    missing = nil
    heads = ["b": Linear(4, 1), "a": Scale(4)]
    scale = Parameter(.ones([]), requiresGrad: false)
    list = [Parameter(.ones([1])), Parameter(.ones([2]))]
    tied = Linear(4, 5)
    again = tied
  }
}

@Suite struct ModuleTests {
  @Test func namesAreTorchs() {
    let net = Net()
    let block = [
      "linear1.weight", "linear1.bias", "layer_norm.in_proj_weight", "layer_norm.running_mean",
    ]
    let expected =
      ["scale", "wte"] + block.map { "blocks.0.\($0)" } + block.map { "blocks.1.\($0)" } + [
        "head.weight", "classifiers.a.in_proj_weight", "classifiers.a.running_mean", "classifiers.b.weight",
        "classifiers.b.bias", "0", "1", "tied.weight", "tied.bias", "again.weight", "again.bias",
      ]
    #expect(net.stateDict().keys == expected)
    let names = net.namedParameters().map(\.name)
    #expect(names == expected.filter { !$0.hasSuffix("running_mean") && !$0.hasPrefix("again") })
    #expect(
      net.namedBuffers().map(\.name).prefix(4) == [
        "blocks.0.layer_norm.running_mean", "blocks.0.layer_norm.cache", "blocks.1.layer_norm.running_mean",
        "blocks.1.layer_norm.cache",
      ])
    #expect(
      net.namedModules().map(\.name) == [
        "", "blocks.0", "blocks.0.linear1", "blocks.0.layer_norm", "blocks.1", "blocks.1.linear1", "blocks.1.layer_norm",
        "head", "classifiers.a", "classifiers.b", "tied",
      ])
    #expect(net.modules()[0] === net && net.modules().count == 11)
    #expect(net.parameters().count == names.count)
  }

  @Test(arguments: [
    ("runningMean", "running_mean"), ("numBatchesTracked", "num_batches_tracked"), ("weight", "weight"), ("conv1", "conv1"),
    ("weightIhL0", "weight_ih_l0"), ("lnF", "ln_f"), ("MLPHead", "mlp_head"), ("useGPU", "use_gpu"), ("in_proj", "in_proj"),
    ("layer1Norm", "layer1_norm"), ("", ""),
  ]) func snakeCase(swift: String, torch: String) {
    #expect(swift.snakeCased == torch)
  }

  @Test func aTiedParameterCountsOnceAndIsSavedTwice() {
    let embedding = Linear(3, 4, bias: false)
    final class Model: Module {
      let inner: Linear
      let weight: Parameter
      init(_ inner: Linear) {
        self.inner = inner
        weight = inner.weight
      }
    }
    let model = Model(embedding)
    #expect(model.namedParameters().map(\.name) == ["weight"])
    #expect(model.stateDict().keys == ["weight", "inner.weight"])
  }

  @Test func parametersMayBePartsOfAGraph() throws {
    let net = Sequential(Linear(2, 3), BatchNorm1d(3), Linear(3, 1, bias: false))
    let x = Tensor.randn([4, 2])
    let own = net.parameters().map(\.tensor)
    let scale = Tensor(2, dtype: .float32).requiresGrad_()
    let (weight, mean) = ((net[2] as! Linear).weight, Tensor.ones([3]))
    let y = net.functionalCall(["2.weight": weight.tensor * scale, "1.running_mean": mean]) { net(x) }
    #expect(y.allClose(net(x) * 2.0))
    y.sum().backward()
    #expect(abs(scale.grad!.item() - y.sum().item() / 2) < 1e-5 && weight.grad != nil)
    #expect(zip(net.parameters(), own).allSatisfy { $0.tensor.isSame(as: $1) })
    // The statistics followed the batch, in the tensor that was lent.
    #expect(!mean.allClose(.ones([3])))
    struct Stop: Error {}
    #expect(throws: Stop.self) { try net.functionalCall(["2.weight": .zeros([1, 3])]) { throw Stop() } }
    #expect(weight.tensor.isSame(as: own[4]))
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { _ = net.functionalCall(["2.bias": .zeros([1])]) { net(x) } }
    }
    #expect(error?.message == "Sequential has no parameter or buffer '2.bias'")
  }

  @Test func layersOfASequenceCountFromTheEndToo() {
    let net = Sequential(ReLU(), Tanh())
    #expect(net[-1] === net[1] && net[-2] === net[0])
  }

  @Test func theWalkIsRememberedWhileTheModuleLives() {
    var released: [WeakReference] = []
    for i in 0..<200 {
      let model = Sequential(Linear(1, 1, bias: i % 2 == 0), Identity())
      #expect(model.parameters().count == (i % 2 == 0 ? 2 : 1))
      #expect(model.parameters()[0] === (model[0] as! Linear).weight)
      released.append(WeakReference(object: model.parameters()[0]))
    }
    #expect(released.allSatisfy { $0.object == nil })
  }

  struct WeakReference {
    weak var object: AnyObject?
  }

  @Test func manyTasksMayWalkAtOnce() async {
    let model = Sequential((0..<20).map { _ in Linear(2, 2) })
    await withTaskGroup(of: Int.self) { group in
      for i in 0..<50 {
        group.addTask { i % 2 == 0 ? model.parameters().count : Sequential(model, model).parameters().count }
      }
      for await count in group { #expect(count == 40) }
    }
  }

  @Test func modesFollowTrainAndEval() {
    let net = Net()
    let scales = net.modules().compactMap { $0 as? Scale }
    #expect(scales.count == 3 && scales.allSatisfy { $0.mode.isTraining })
    #expect(net.eval() === net)
    #expect(scales.allSatisfy { !$0.mode.isTraining })
    net.train()
    #expect(scales.allSatisfy { $0.mode.isTraining })
  }

  @Test func gradientsReachTheBoxesAndAreForgotten() {
    let layer = Linear(3, 2)
    // Whole numbers, whose sums are exact in any order.
    let x = Tensor((0..<12).map(Float.init), shape: [4, 3])
    layer(x).sum().backward()
    let columns = x.sum(dim: [0])
    #expect(layer.weight.grad!.floats == columns.floats + columns.floats)
    #expect(layer.bias!.grad!.floats == [4, 4])
    layer.zeroGrad()
    #expect(layer.weight.grad == nil && layer.bias!.grad == nil)
    layer.requiresGrad_(false)
    #expect(!layer(x).requiresGrad)
    layer.weight.requiresGrad = true
    #expect(layer(x).requiresGrad)
  }

  @Test func linearTakesAnyNumberOfDimensions() {
    let layer = Linear(3, 2).double()
    let x = Tensor.random([2, 4, 3]).to(.float64)
    let w = layer.weight.tensor.doubles
    let b = layer.bias!.tensor.doubles
    let input = x.doubles
    var expected: [Double] = []
    for row in 0..<8 {
      for out in 0..<2 { expected.append(b[out] + (0..<3).reduce(0) { $0 + input[row * 3 + $1] * w[out * 3 + $1] }) }
    }
    let y = layer(x)
    #expect(y.shape == [2, 4, 2])
    #expect(zip(y.doubles, expected).allSatisfy { abs($0 - $1) < 1e-14 })
    let vector = layer(x.narrow(0, start: 0, length: 1).narrow(1, start: 0, length: 1).reshape([3]))
    #expect(vector.shape == [2] && abs(vector.doubles[1] - expected[1]) < 1e-14)
  }

  /// Steps and states follow, and nothing but places in memory changes.
  @Test func weightsOfConvolutionsMayHaveChannelsInnermost() {
    func trained(_ last: Bool) -> (Sequential, AdamW) {
      let generator = Generator(seed: 3)
      let model = withGenerator(generator) {
        Sequential(Conv2d(3, 4, 3), BatchNorm2d(4), Conv2d(4, 2, 1), Flatten(), Linear(18, 2))
      }
      let before = model.parameters()
      if last { model.to(memoryFormat: .channelsLast) }
      #expect(zip(model.parameters(), before).allSatisfy { $0 === $1 })
      let optimizer = AdamW(model.parameters(), lr: 0.1)
      let x = Tensor.randn([5, 3, 5, 5], generator: generator)
      for _ in 0..<3 {
        optimizer.zeroGrad()
        (model(x) * model(x)).sum().backward()
        optimizer.step()
      }
      return (model, optimizer)
    }
    let ((model, optimizer), (plain, _)) = (trained(true), trained(false))
    for (name, parameter) in model.namedParameters() where parameter.shape.count == 4 {
      #expect(parameter.tensor.isContiguous(memoryFormat: .channelsLast), "\(name)")
    }
    #expect(optimizer.stateDict().state["0.exp_avg"]!.isContiguous(memoryFormat: .channelsLast))
    for (a, b) in zip(model.parameters(), plain.parameters()) { #expect(a.tensor.isEqual(to: b.tensor)) }
    model.to(memoryFormat: .contiguous)
    #expect(model.parameters().allSatisfy { $0.tensor.isContiguous })
  }

  @Test func applyVisitsInnerModulesFirst() {
    let net = Sequential(Linear(1, 1), Sequential(Identity()))
    var order: [String] = []
    net.apply { order.append("\(type(of: $0))") }
    #expect(order == ["Linear", "Identity", "Sequential", "Sequential"])
  }

  @Test func descriptions() {
    #expect("\(Linear(4, 5, bias: false))" == "Linear(inFeatures: 4, outFeatures: 5, bias: false)")
    #expect("\(Identity())" == "Identity()")
    let text = """
      Sequential(
        (0): Linear(inFeatures: 4, outFeatures: 5, bias: true)
        (1): Linear(inFeatures: 4, outFeatures: 5, bias: true)
        (2): Sequential(
          (0): Identity()
        )
      )
      """
    #expect("\(Sequential(Linear(4, 5), Linear(4, 5), Sequential(Identity())))" == text)
    final class Stack: Module {
      let layers = [Linear(1, 1), Linear(1, 1), Linear(1, 2), Linear(1, 1)]
      let inProj = Identity()
      var configuration: String { "depth: 4" }
    }
    let stack = """
      Stack(
        depth: 4
        (layers.0-1): 2 x Linear(inFeatures: 1, outFeatures: 1, bias: true)
        (layers.2): Linear(inFeatures: 1, outFeatures: 2, bias: true)
        (layers.3): Linear(inFeatures: 1, outFeatures: 1, bias: true)
        (inProj): Identity()
      )
      """
    #expect("\(Stack())" == stack)
    #expect("\(Parameter(.zeros([2]), requiresGrad: false))" == "Parameter(float32 [2], requiresGrad: false)")
  }

  @Test func integersCannotRequireGradients() {
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { _ = Parameter(Tensor([1] as [Int64])) }
    }
    #expect(error?.message == "only Tensors of floating point dtype can require gradients")
    #expect(!Parameter(Tensor([1] as [Int64]), requiresGrad: false).requiresGrad)
  }
}
