import Testing

@testable import Flambeau

@Suite struct IndexingTests {
  private let x = Tensor((0..<12).map(Float.init), shape: [3, 4])
  private let rows = Tensor([0, 2])
  private let zero = Tensor(3 as Float)

  /// Large tables are copied piece by piece as they are scattered to, where the positions reach them in order.
  @Test(arguments: [
    ([512, 96], [512, 80], 1), ([512, 96], [400, 80], 1), ([512, 96], [700, 80], 0), ([16, 64, 48], [16, 64, 48], 1),
    ([16, 64, 48], [16, 90, 48], 1), ([40_000], [50_000], 0), ([1, 40_000], [1, 50_000], 1),
  ])
  func scatteringACopyIsScatteringInPlace(_ table: [Int], _ places: [Int], _ dim: Int) {
    for dtype in [DType.float32, .int64, .bfloat16] {
      let x = (Tensor.randn(Shape(table)) * 100).to(dtype), source = (Tensor.randn(Shape(places)) * 100).to(dtype)
      let index = Tensor.randint(0, table[dim], Shape(places))
      let across = table.count > 1 ? x.transpose(0, 1).contiguous().transpose(0, 1) : x
      for x in [x, across] {
        let before = x.clone()
        #expect(
          x.scatterAdd(dim: dim, index: index, source: source).isEqual(
            to:
              x.clone().scatterAdd_(dim: dim, index: index, source: source)))
        #expect(
          x.scatter(dim: dim, index: index, source: source).isEqual(
            to: x.clone().scatter_(dim: dim, index: index, source: source)))
        #expect(x.isEqual(to: before))
      }
    }
  }

  /// Large results are written past the caches.
  @Test func largeGathersHaveTheElementsOfSmallOnes() {
    let x = Tensor.randn([2050, 300]), index = Tensor.randint(0, 300, [2050, 2055])
    let all = x.gather(dim: 1, index: index)
    for rows in stride(from: 0, to: 2050, by: 410) {
      let part = x.narrow(0, start: rows, length: 410).gather(dim: 1, index: index.narrow(0, start: rows, length: 410))
      #expect(all.narrow(0, start: rows, length: 410).isEqual(to: part))
    }
    let outside = index
    outside[2000, 2000] = 300
    #expect(throws: TensorError.self) { try withTensorErrors { _ = x.gather(dim: 1, index: outside) } }
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func refusalsHaveTorchsSentences() throws {
    let (x, rows, zero) = (x, rows, zero)
    let list = [
      Misuse("a[5]", x[5] as Tensor),
      Misuse("a[0, -5]", x[0, -5] as Tensor),
      Misuse("a[0, 0, 0]", x[0, 0, 0] as Tensor),
      Misuse("a[::-1]", x[.slice(step: -1)] as Tensor),
      Misuse("a[torch.tensor([True, False])]", x[Tensor([true, false])] as Tensor),
      Misuse("a[:, torch.tensor([True, False])]", x[.all, Tensor([true, false])] as Tensor),
      Misuse("a[torch.ones(3, 4, 2, dtype=torch.bool)]", x[Tensor.ones([3, 4, 2], dtype: .bool)] as Tensor),
      Misuse("a[b, torch.tensor([0, 1, 2])]", x[rows, [0, 1, 2]] as Tensor),
      Misuse("a[torch.tensor([5])]", x[[5]] as Tensor),
      Misuse("a[torch.tensor(7)]", x[Tensor(7)] as Tensor),
      Misuse("a[torch.tensor([0.5])]", x[Tensor([0.5])] as Tensor),
      Misuse("a[b.to(torch.int16)]", x[rows.to(.int16)] as Tensor),
      Misuse("c[torch.tensor([0])]", zero[[0]] as Tensor),
      Misuse("a.__setitem__(0, torch.zeros(3))", x[0] = Tensor.zeros([3])),
      Misuse("a.__setitem__(0, torch.ones(2, 4))", x[0] = Tensor.ones([2, 4])),
      Misuse("a.__setitem__(b, torch.ones(4).double())", x[rows] = Tensor.ones([4], dtype: .float64)),
      Misuse("a.__setitem__(b, torch.ones(5, 4))", x[rows] = Tensor.ones([5, 4])),
      Misuse("a.__setitem__((b, b), torch.ones(3))", x[rows, rows] = Tensor.ones([3])),
      Misuse("a.__setitem__(torch.tensor([5]), 1)", x[[5]] = 1),
      Misuse("a.byte().__setitem__(0, 300)", x.to(.uint8)[0] = 300),
      Misuse("a.gather(1, b.byte()[None])", x.gather(dim: 1, index: rows.to(.uint8)[.newAxis])),
      Misuse("a.gather(1, b[None] + 9)", x.gather(dim: 1, index: rows[.newAxis] + 9)),
      Misuse("a.gather(1, b[None] - 1)", x.gather(dim: 1, index: rows[.newAxis] - 1)),
      Misuse("a.gather(1, b)", x.gather(dim: 1, index: rows)),
      Misuse("a.gather(3, b[None])", x.gather(dim: 3, index: rows[.newAxis])),
      Misuse("a.gather(1, torch.zeros(4, 2).long())", x.gather(dim: 1, index: .zeros([4, 2], dtype: .int64))),
      Misuse("a.scatter_(0, b[None], a)", x.scatter_(dim: 0, index: rows[.newAxis], source: x)),
      Misuse("a.scatter(1, b[None], torch.ones(1, 1))", x.scatter(dim: 1, index: rows[.newAxis], source: .ones([1, 1]))),
      Misuse("a.scatter(1, b[None].double(), 1)", x.scatter(dim: 1, index: rows[.newAxis].to(.float64), 1)),
      Misuse(
        "a.scatter(1, b[None], torch.ones(1, 2).double())",
        x.scatter(dim: 1, index: rows[.newAxis], source: .ones([1, 2], dtype: .float64))),
      Misuse(
        "a.scatter_add(1, b[None] + 9, torch.ones(1, 2))", x.scatterAdd(dim: 1, index: rows[.newAxis] + 9, source: .ones([1, 2]))),
      Misuse("a.scatter(1, b, 1)", x.scatter(dim: 1, index: rows, 1)),
      Misuse("a.index_add_(0, b, torch.ones(3, 4))", x.indexAdd_(dim: 0, index: rows, source: .ones([3, 4]))),
      Misuse("a.index_add_(0, b, torch.ones(2, 3))", x.indexAdd_(dim: 0, index: rows, source: .ones([2, 3]))),
      Misuse("a.index_add_(0, b + 3, torch.ones(2, 4))", x.indexAdd_(dim: 0, index: rows + 3, source: .ones([2, 4]))),
      Misuse("a.index_add_(0, b[None], torch.ones(2, 4))", x.indexAdd_(dim: 0, index: rows[.newAxis], source: .ones([2, 4]))),
      Misuse(
        "a.index_add_(0, b, torch.ones(2, 4).double())", x.indexAdd_(dim: 0, index: rows, source: .ones([2, 4], dtype: .float64))),
      Misuse("a.index_copy_(0, b, torch.ones(3, 4))", x.indexCopy_(dim: 0, index: rows, source: .ones([3, 4]))),
      Misuse("a.index_copy_(0, b.int(), torch.ones(2, 4))", x.indexCopy_(dim: 0, index: rows.to(.int32), source: .ones([2, 4]))),
      Misuse("a.index_fill_(0, b, torch.tensor([7]))", x.indexFill_(dim: 0, index: rows, Tensor([7]))),
      Misuse("a.index_fill_(0, b + 3, 7)", x.indexFill_(dim: 0, index: rows + 3, 7)),
      Misuse("a.index_fill_(0, b[None], 7)", x.indexFill_(dim: 0, index: rows[.newAxis], 7)),
      Misuse("a.index_select(0, b.byte())", x.indexSelect(dim: 0, index: rows.to(.uint8))),
      Misuse("a.index_select(0, b[None])", x.indexSelect(dim: 0, index: rows[.newAxis])),
      Misuse("c.index_select(0, b)", zero.indexSelect(dim: 0, index: rows)),
      Misuse("a.take(b.int())", x.take(rows.to(.int32))),
      Misuse("F.embedding(b.byte(), a)", Tensor.embedding(rows.to(.uint8), weight: x)),
      Misuse("F.embedding(b, a[0])", Tensor.embedding(rows, weight: x[0])),
      Misuse("F.embedding(b, a, padding_idx=5)", Tensor.embedding(rows, weight: x, paddingIdx: 5)),
      Misuse("a.masked_fill_(torch.ones(3).bool(), 3)", x.maskedFill_(.ones([3], dtype: .bool), 3)),
      Misuse(
        "a.masked_fill_(torch.ones(4).bool(), torch.tensor([3.]))", x.maskedFill_(.ones([4], dtype: .bool), Tensor([3 as Float]))),
      Misuse("a.masked_fill_(torch.ones(2, 3, 4).bool(), 3)", x.maskedFill_(.ones([2, 3, 4], dtype: .bool), 3)),
      Misuse("a.masked_select(torch.ones(3).bool())", x.maskedSelect(.ones([3], dtype: .bool))),
      Misuse("a.masked_select(torch.ones(4))", x.maskedSelect(.ones([4]))),
      Misuse("a.masked_scatter(torch.ones(4).bool(), torch.ones(3))", x.maskedScatter(.ones([4], dtype: .bool), .ones([3]))),
      Misuse("F.one_hot(b, 2)", rows.oneHot(2)),
      Misuse("F.one_hot(b - 1)", (rows - 1).oneHot()),
      Misuse("F.one_hot(b.int())", rows.to(.int32).oneHot()),
      Misuse("F.one_hot(b[:0])", rows[..<0].oneHot()),
    ]
    expectNone(try Misuse.differences(list, operands: [x, rows, zero]))
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func edgesAreTorchs() throws {
    let list: [Sample] = [
      Sample("F.embedding(b, a, padding_idx=-2)", [.real([3, 2]), .integers([6], 0...2)]) {
        .embedding($0[1], weight: $0[0], paddingIdx: -2)
      },
      Sample("F.embedding(torch.tensor(1), a)", [.real([3, 2])]) { .embedding(Tensor(1), weight: $0[0]) },
      Sample("a.index_select(0, torch.tensor(0))", [.real([])]) { $0[0].indexSelect(dim: 0, index: Tensor(0)) },
      Sample("a.index_select(0, torch.tensor([0]))", [.real([])]) { $0[0].indexSelect(dim: 0, index: Tensor([0])) },
      Sample("a.index_select(0, torch.tensor(1))", [.real([3, 2])]) { $0[0].indexSelect(dim: 0, index: Tensor(1)) },
      Sample("a.index_select(1, torch.tensor([0, 2]))", [.real([0, 3])]) { $0[0].indexSelect(dim: 1, index: Tensor([0, 2])) },
      Sample("a.index_fill(0, torch.tensor([0]), 2)", [.real([])]) { $0[0].indexFill(dim: 0, index: Tensor([0]), 2) },
      Sample("a.scatter(0, torch.tensor(0), 5)", [.real([])]) { $0[0].scatter(dim: 0, index: Tensor(0), 5) },
      Sample("a.scatter_add(0, torch.tensor(0), b)", [.real([]), .real([])]) {
        $0[0].scatterAdd(dim: 0, index: Tensor(0), source: $0[1])
      },
      Sample("a.gather(0, torch.zeros(0).long())", [.real([3, 2])]) { $0[0].gather(dim: 0, index: Tensor([] as [Int])) },
      Sample("a.gather(0, torch.tensor(1))", [.real([3])]) { $0[0].gather(dim: 0, index: Tensor(1)) },
      Sample("a.scatter(1, torch.zeros(0).long(), b)", [.real([3, 2]), .real([4, 2])]) {
        $0[0].scatter(dim: 1, index: Tensor([] as [Int]), source: $0[1])
      },
      Sample("a.masked_select(torch.tensor(True))", [.real([])]) { $0[0].maskedSelect(Tensor(true)) },
      Sample("a.masked_scatter(torch.tensor(True), b)", [.real([]), .real([2])]) { $0[0].maskedScatter(Tensor(true), $0[1]) },
      Sample("a.nonzero()", [.real([])]) { $0[0].nonzero() },
      Sample("a.nonzero()", [.real([0, 3])]) { $0[0].nonzero() },
      Sample("torch.tensor([nan, 0., -0., inf]).nonzero()", []) { _ in
        Tensor([Double.nan, 0, -0.0, .infinity]).nonzero()
      },
      Sample("torch.zeros(()).nonzero()", []) { _ in Tensor.zeros([]).nonzero() },
      Sample("a[torch.tensor(True)]", [.real([2])]) { $0[0][Tensor(true)] },
      Sample("a[torch.tensor(False), 1:]", [.real([2])]) { $0[0][Tensor(false), 1...] },
      Sample("a[torch.tensor(1, dtype=torch.int16)]", [.real([2])]) { $0[0][Tensor(1 as Int16)] },
      Sample("a[torch.tensor([0, 1, 1], dtype=torch.uint8)]", [.real([3])]) { $0[0][Tensor([0, 1, 1] as [UInt8])] },
      Sample("a[None]", [.real([])]) { $0[0][.newAxis] },
      Sample("F.one_hot(torch.zeros(0).long(), 3)", []) { _ in Tensor([] as [Int]).oneHot(3) },
      Sample("a.byte().masked_fill(torch.tensor([True, False]), -1)", [.real([2], 0...3)]) {
        $0[0].to(.uint8).maskedFill(Tensor([true, false]), -1)
      },
      Sample("a.bool().masked_fill(torch.tensor([True, False]), 0.5)", [.real([2])]) {
        $0[0].to(.bool).maskedFill(Tensor([true, false]), 0.5)
      },
      Sample("(t := a.clone(), t.__setitem__(torch.tensor([True, False, True]), torch.tensor([2])))[0]", [.real([3, 2])]) {
        let t = $0[0].clone()
        t[Tensor([true, false, true])] = Tensor([2])
        return t
      },
      Sample("(t := a.clone(), t.__setitem__(0, b))[0]", [.real([2, 4]), .real([1, 1, 4])]) {
        let t = $0[0].clone()
        t[0] = $0[1]
        return t
      },
      Sample(
        "(t := a * 1, v := t[1:], t.__setitem__((slice(None), 1), b), v.__setitem__(0, c), t)[-1] * 2",
        [.real([3, 2]), .real([3]), .real([])]
      ) {
        let t = $0[0] * 1
        let v: Tensor = t[1...]
        t[0..., 1] = $0[1]
        v[0] = $0[2]
        return t * 2
      },
    ]
    for dtype in [DType.float64, .float32, .int64] { expectNone(try Direct.differences(list, dtype)) }
  }

  @Test func subscriptsReadWell() {
    let x = Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
    let i = 1
    #expect(x[i, -1, 0].item() == 20)
    #expect(x[0, 1..., .newAxis, [0, -1]].shape == [2, 1, 2])
    #expect(x[.ellipsis, (-2)...(-1)].shape == [2, 3, 2])
    #expect(x[..<(-1), 0...1, .slice(from: 1, to: -1)].shape == [1, 2, 2])
    #expect(x[-10..<10, 5...].shape == [2, 0, 4])
    #expect(x[...(-2)].shape == [1, 3, 4])
    #expect(x[0...Int.max].shape == [2, 3, 4])
    #expect(x[.slice(to: 100, step: Int.max)].shape == [1, 3, 4])
    let value: Float = x[1, 2, 3]
    let whole: Int = x[1, 2, 3]
    #expect(value == 23 && whole == 23)
    x[0, 0] = 7
    x[0, 1] = [1, 2, 3, 4]
    x[1] = -0.5
    x[x .< 0] = 9
    x[[0], 2, 1...2] = 3
    x[0, 2, 3] += 1
    #expect(x[0].array(of: Float.self) == [7, 7, 7, 7, 1, 2, 3, 4, 8, 3, 3, 12])
    #expect(x[1].array(of: Float.self) == Array(repeating: 9, count: 12))
    x[...] = 1
    #expect(x.sum().item() == 24)
    let mask = Tensor([true, false])
    mask[1] = true
    #expect(mask.array(of: Bool.self) == [true, true])
  }

  /// Torch names dimension 0 here.
  @Test func theDimensionIsTheTensors() {
    #expect(Direct.refusal { _ = x[0..., [-5]] as Tensor }.contains("index -5 is out of bounds for dimension 1 with size 4"))
  }

  /// Positions far outside, of every operation that takes a tensor of them.
  @Test func wildPositionsAreErrors() {
    let x = Tensor.zeros([3, 4])
    for wild in [-Int.max, Int.min, -4, 3, 1 << 40, Int.max] {
      let index = Tensor([0, wild])
      let place = index.reshape([2, 1])
      let source = Tensor.ones([2, 4])
      let bodies: [(String, () -> Void)] = [
        ("gather", { _ = x.gather(dim: 0, index: place) }), ("scatter", { x.scatter_(dim: 0, index: place, 1) }),
        ("scatterAdd", { x.scatterAdd_(dim: 0, index: place, source: source) }),
        ("indexSelect", { _ = x.indexSelect(dim: 0, index: index) }),
        ("indexAdd", { x.indexAdd_(dim: 0, index: index, source: source) }),
        ("indexCopy", { x.indexCopy_(dim: 0, index: index, source: source) }),
        ("indexFill", { x.indexFill_(dim: 0, index: index, 1) }), ("read", { _ = x[index] as Tensor }),
        ("write", { x[index] = source }), ("indexPut", { x.indexPut_([index], source, accumulate: true) }),
        ("embedding", { _ = Tensor.embedding(index, weight: x) }), ("int", { _ = x[wild] as Tensor }),
      ]
      for (name, body) in bodies { #expect(Direct.refusal(body).contains("out of bounds"), "\(name) at \(wild)") }
      #expect(Direct.refusal { _ = x.take(Tensor([wild < 0 ? -13 : 12])) }.contains("out of bounds"))
    }
    #expect(x.sum().item() == 0)
  }

  /// Whatever piece of the work meets a wild position first.
  @Test func theFirstOfSeveralWildPositionsIsNamed() {
    let before = threadCount
    defer { threadCount = before }
    let x = Tensor.ones([600, 700])
    let index = Tensor.zeros([600, 700], dtype: .int64)
    (index[100, 699], index[101, 0], index[599, 650]) = (Tensor(704), Tensor(-1), Tensor(705))
    let named = "index 704 is out of bounds for dimension 1 with size 700"
    for count in [1, 2, 5] {
      threadCount = count
      #expect(Direct.refusal { _ = x.gather(dim: 1, index: index) }.contains(named))
      #expect(Direct.refusal { _ = x.scatterAdd(dim: 1, index: index, source: x) }.contains(named))
      #expect(Direct.refusal { x.scatter_(dim: 1, index: index.to(.int32), 3) }.contains(named))
      #expect(Direct.refusal { _ = x.to(.bfloat16).scatterAdd(dim: 1, index: index, source: x.to(.bfloat16)) }.contains(named))
    }
    #expect(x.sum().item() == 420_000)
  }

  @Test func sumsHaveTheSameBitsAtAnyThreadCount() {
    let before = threadCount
    defer { threadCount = before }
    var draw = Draw(state: 5)
    let index = Tensor((0..<60_000).map { _ in draw.integer(0...99) })
    let flat = Tensor((0..<60_000).map { _ in Float(draw.unit()) })
    let wide = Tensor((0..<600_000).map { _ in Float(draw.unit()) }, shape: [5000, 120])
    func sums() -> [[Float]] {
      [
        Tensor.zeros([100]).scatterAdd(dim: 0, index: index, source: flat),
        Tensor.zeros([100, 120]).indexAdd(dim: 0, index: index[..<5000], source: wide),
        Tensor.zeros([5000, 100]).scatterAdd(dim: 1, index: index[..<120].expand([5000, 120]), source: wide),
        Tensor.zeros([100, 120], dtype: .bfloat16)
          .indexPut([index[..<5000]], wide.to(.bfloat16), accumulate: true),
        wide.clone().indexPut([index[..<5000]], wide),
      ].map { $0.array(of: Float.self) }
    }
    threadCount = 1
    let alone = sums()
    for count in [2, 8] {
      threadCount = count
      #expect(sums() == alone)
    }
  }

  @Test func halfSumsAreRoundedOnce() {
    let ones = Tensor.ones([5000], dtype: .bfloat16)
    let sum = Tensor.zeros([1], dtype: .bfloat16).scatterAdd(dim: 0, index: .zeros([5000], dtype: .int64), source: ones)
    #expect(sum.item() == 4992)  // one by one it would stop at 256
  }

  @Test func aFailedScopeWritesNothing() {
    let x = Tensor.ones([3])
    let text = Direct.refusal {
      let bad: Tensor = x[7]
      x[0] = bad
      x[1] = 5
      x[[0, 1]] = Tensor.zeros([2])
      x.indexAdd_(dim: 0, index: Tensor([0]), source: bad)
      x.maskedFill_(bad, 2)
    }
    #expect(text.contains("index 7 is out of bounds for dimension 0 with size 3"))
    #expect(x.array(of: Float.self) == [1, 1, 1])
  }

  @Test func temporariesAreEditedInPlace() {
    let index = Tensor([0])
    let source = Tensor.ones([1])
    let temporary = Tensor.zeros([4])
    let memory = temporary.body.storage.pointer
    let result = (consume temporary).indexAdd(dim: 0, index: index, source: source)
    #expect(result.body.storage.pointer == memory && result.sum().item() == 1)
    let kept = Tensor.zeros([4])
    _ = kept.indexAdd(dim: 0, index: index, source: source)
    #expect(kept.sum().item() == 0)
  }

  /// Narrow elements are summed in a wider type, elsewhere than where they lie: in every layout a table can have.
  @Test(arguments: [DType.int8, .int16, .uint8, .float16, .bfloat16])
  func repeatedPositionsAddUpInAnyLayout(_ dtype: DType) {
    let index = Tensor([2, 0, 2, 1, 2])
    let source = Tensor((0..<15).map(Float.init), shape: [5, 3]).to(dtype)
    let memory = Tensor((0..<48).map { Float($0 % 11) }, shape: [6, 8])
    let tables: [@Sendable (Tensor) -> Tensor] = [
      { $0[..<3, ..<3] }, { $0.T[..<3, ..<3] }, { $0[.slice(from: 1, to: 6, step: 2), .slice(from: 0, to: 8, step: 3)] },
      { $0[3..., 2...].T[..<3, ..<3] },
    ]
    for table in tables {
      let narrow = memory.to(dtype)
      let wide = memory.clone()
      table(narrow).indexAdd_(dim: 0, index: index, source: source)
      table(wide).indexAdd_(dim: 0, index: index, source: source.to(.float32))
      #expect(narrow.to(.float32).array(of: Float.self) == wide.array(of: Float.self))
      table(narrow).indexPut_([index, Tensor([1, 1, 1, 0, 2])], source[.all, 1], accumulate: true)
      table(wide).indexPut_([index, Tensor([1, 1, 1, 0, 2])], source[.all, 1].to(.float32), accumulate: true)
      #expect(narrow.to(.float32).array(of: Float.self) == wide.array(of: Float.self))
      let positions = Tensor([2, 0, 2, 1, 1, 1, 0, 0, 2], shape: [3, 3])
      table(narrow).scatterAdd_(dim: 1, index: positions, source: source)
      table(wide).scatterAdd_(dim: 1, index: positions, source: source.to(.float32))
      #expect(narrow.to(.float32).array(of: Float.self) == wide.array(of: Float.self))
    }
    // A temporary keeps the strides it has.
    let temporary = memory[..<3, ..<3].to(dtype).T.clone()
    let expected = memory[..<3, ..<3].T.indexAdd(dim: 0, index: index, source: source.to(.float32))
    #expect(
      (consume temporary).indexAdd(dim: 0, index: index, source: source).to(.float32).array(of: Float.self)
        == expected.array(of: Float.self))
  }
}
