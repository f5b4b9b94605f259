import Testing

@testable import Flambeau

@Suite struct ShapeOperatorTests {
  private let x = Tensor((0..<12).map(Float.init), shape: [3, 4])
  private let zero = Tensor(3 as Float)

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func refusalsHaveTorchsSentences() throws {
    let list = [
      Misuse("a.select(0, 5)", x.select(dim: 0, index: 5)),
      Misuse("a.select(5, 0)", x.select(dim: 5, index: 0)),
      Misuse("c.select(0, 0)", zero.select(dim: 0, index: 0)),
      Misuse("a.unsqueeze(5)", x.unsqueeze(5)),
      Misuse("a.squeeze(5)", x.squeeze(5)),
      Misuse("a.narrow(0, 2, 5)", x.narrow(0, start: 2, length: 5)),
      Misuse("a.narrow(0, 5, 1)", x.narrow(0, start: 5, length: 1)),
      Misuse("a.narrow(0, 0, -1)", x.narrow(0, start: 0, length: -1)),
      Misuse("a.split(0)", x.split(0)),
      Misuse("a.split(-1)", x.split(-1)),
      Misuse("c.split(1)", zero.split(1)),
      Misuse("a.split([1, 1])", x.split([1, 1])),
      Misuse("a.split([4, -1])", x.split([4, -1])),
      Misuse("a.chunk(0)", x.chunk(0)),
      Misuse("c.unbind()", zero.unbind()),
      Misuse("torch.cat([a, c])", Tensor.cat([x, zero])),
      Misuse("torch.cat([a, torch.zeros(2, 3)])", Tensor.cat([x, .zeros([2, 3])])),
      Misuse("torch.cat([a, torch.zeros(2)])", Tensor.cat([x, .zeros([2])])),
      Misuse("torch.cat([a, a], 2)", Tensor.cat([x, x], dim: 2)),
      Misuse("torch.stack([])", Tensor.stack([])),
      Misuse("torch.stack([a, torch.zeros(3)])", Tensor.stack([x, .zeros([3])])),
      Misuse("a.repeat(2)", x.repeat([2])),
      Misuse("a.repeat(2, -1, 1)", x.repeat([2, -1, 1])),
      Misuse("a.expand(3)", x.expand([3])),
      Misuse("a.expand(4, 4)", x.expand([4, 4])),
      Misuse("a.expand(-1, 3, 4)", x.expand([-1, 3, 4])),
      Misuse("a.expand(2, -2, 4)", x.expand([2, -2, 4])),
      Misuse("a.flip(0, 0)", x.flip([0, 0])),
      Misuse("a.roll([1, 2], [0])", x.roll([1, 2], dim: [0])),
      Misuse("a.diagonal(1, 0, 0)", x.diagonal(offset: 1, dim1: 0, dim2: 0)),
      Misuse("c.diag()", zero.diag()),
      Misuse("a[0].tril()", x[0].tril()),
      Misuse("a.movedim([0, 1], [1])", x.moveDim([0, 1], [1])),
      Misuse("a.movedim([0, 0], [1, 0])", x.moveDim([0, 0], [1, 0])),
      Misuse("a.flatten(1, 0)", x.flatten(startDim: 1, endDim: 0)),
      Misuse("a.unflatten(1, [2, 3])", x.unflatten(1, [2, 3])),
      Misuse("a.permute(0, 0)", x.permute([0, 0])),
      Misuse("a.view(5)", x.view([5])),
      Misuse("a.T.view(12)", x.T.view([12])),
      Misuse("a.view(-1, -1)", x.view([-1, -1])),
      Misuse("a.as_strided((2, 2), (1, -1))", x.asStrided([2, 2], strides: [1, -1])),
      Misuse("a.as_strided((2, 2), (1, 1, 1))", x.asStrided([2, 2], strides: [1, 1, 1])),
    ]
    expectNone(try Misuse.differences(list, operands: [x, Tensor([0, 2]), zero]))
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func edgesAreTorchs() throws {
    let list: [Sample] = [
      .several("torch.zeros(0, 3).split(0)", []) { _ in Array(Tensor.zeros([0, 3]).split(0)) },
      .several("torch.zeros(0, 3).chunk(3)", []) { _ in Array(Tensor.zeros([0, 3]).chunk(3)) },
      .several("torch.arange(5.).chunk(4)", []) { _ in Array(Tensor([0, 1, 2, 3, 4] as [Float]).chunk(4)) },
      Sample("torch.cat([torch.zeros(0), torch.zeros(0)])", []) { _ in .cat([.zeros([0]), .zeros([0])]) },
      Sample("torch.cat([torch.zeros(0, dtype=torch.float64), torch.ones(2, 2)])", []) { _ in
        .cat([.zeros([0], dtype: .float64), .ones([2, 2])])
      },
      Sample("torch.cat([a.bool(), a.to(torch.uint8)])", [.real([2])]) { .cat([$0[0].to(.bool), $0[0].to(.uint8)]) },
      Sample("torch.stack([torch.tensor(1), torch.tensor(2.5)])", []) { _ in .stack([Tensor(1), Tensor(2.5 as Float)]) },
      Sample("a.repeat(2, 0)", [.real([2, 3])]) { $0[0].repeat([2, 0]) },
      Sample("a.repeat(3)", [.real([])]) { $0[0].repeat([3]) },
      Sample("a.to(torch.bfloat16)", [.real([4])]) { $0[0].to(.bfloat16) },
      Sample("a.diagonal(9)", [.real([3, 4])]) { $0[0].diagonal(offset: 9) },
      Sample("a.diagonal(-2)", [.real([3, 4])]) { $0[0].diagonal(offset: -2) },
      Sample("a.flatten()", [.real([])]) { $0[0].flatten() },
      Sample("a.roll(1)", [.real([])]) { $0[0].roll(1) },
      Sample("a.roll(-7, 0)", [.real([3])]) { $0[0].roll(-7, dim: 0) },
      Sample("a.roll(2)", [.real([0])]) { $0[0].roll(2) },
      Sample("a.tril(9)", [.real([2, 3])]) { $0[0].tril(9) },
      Sample("a.triu(-9)", [.real([2, 3])]) { $0[0].triu(-9) },
      Sample("a.tril()", [.real([0, 2, 3])]) { $0[0].tril() },
      Sample("a.flip([])", [.real([3])]) { $0[0].flip([]) },
      Sample("a.flip(0)", [.real([0, 3])]) { $0[0].flip(0) },
      Sample("a.squeeze(0)", [.real([])]) { $0[0].squeeze(0) },
      Sample("a.as_strided((2, 3, 2), (2, 1, 0), 1)", [.real([8])]) {
        $0[0].asStrided([2, 3, 2], strides: [2, 1, 0], offset: 1)
      },
      Sample("(y := a * 1, v := y.expand(3, 2), y.add_(b), v)[-1]", [.real([2]), .real([2])]) {
        // The expanded view finds its history anew after the write.
        let y = $0[0] * 1
        let v = y.expand([3, 2])
        y.add_($0[1])
        return v
      },
    ]
    for dtype in [DType.float64, .float32, .float16] { expectNone(try Direct.differences(list, dtype)) }
  }

  @Test func viewsShareStorage() {
    let x = Tensor.zeros([2, 3, 4])
    x.select(dim: 1, index: 2).fill_(1)
    x.diagonal(dim1: 0, dim2: 2).add_(2)
    x.split(2, dim: 2)[-1][0].mul_(10)
    x.unbind(dim: 0)[1].squeeze().unsqueeze(0).flatten()[0...].sub_(1)
    x.moveDim(2, 0)[3].copy_([[7, 8, 9], [4, 5, 6]])
    #expect(
      x.array(of: Float.self) == [
        2, 0, 0, 7, 2, 0, 0, 8, 3, 1, 10, 9,  //
        -1, 1, -1, 4, -1, 1, -1, 5, 0, 2, 0, 6,
      ])
  }

  @Test func aListOfAnyLengthIsJoined() {
    let parts = (0..<100).map { Tensor([Double($0)]).requiresGrad_($0 % 7 == 0) }
    let joined = Tensor.cat(parts)
    (joined * joined).sum().backward()
    for (i, part) in parts.enumerated() { #expect(part.grad.map { $0.item() } == (i % 7 == 0 ? Double(2 * i) : nil)) }
    #expect(Tensor.stack(parts).shape == [100, 1])
  }

  @Test func listsAnswerWithErrors() {
    let x = Tensor.zeros([5])
    #expect(x.chunk(4).count == 3)
    #expect(Direct.refusal { _ = x.chunk(4)[3] }.contains("position 3 is out of range for a list of 3 tensors"))
    let text = Direct.refusal {
      let parts = x.split(-1)
      _ = parts[1] + parts[7]
      _ = x.view([3]).unbind()[2]
    }
    #expect(text.contains("split expects split_size be non-negative"))
  }

  @Test func impossibleSizesAreErrors() {
    let x = Tensor.ones([1])
    let huge = Int.max / 2
    for body: () -> Tensor in [
      { x.expand([huge, 8]) }, { x.repeat([huge, 8]) }, { x.repeat([huge]) }, { x.view([huge, 8]) },
      { x.diag(huge) }, { x.diag(.min) }, { x.asStrided([huge, 8], strides: [1, 1]) },
      { x.asStrided([2], strides: [.max], offset: 5) }, { x.asStrided([1], strides: [1], offset: -1) },
    ] {
      #expect(Direct.refusal { _ = body() } != "")
    }
  }
}
