import Testing

@testable import Flambeau

/// The sentence that `body` fails with in an error scope.
func refusal(_ body: () -> Void) -> String {
  do {
    try withTensorErrors(body)
    return "nothing was refused"
  } catch {
    return "\(error)"
  }
}

@Suite struct ArrayTests {
  @Test func nestedArraysGoInAndOut() {
    let cube: [[[Int32]]] = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [-1, -2, -3]]]
    let x = Tensor(cube)
    #expect(x.dtype == .int32 && x.shape == [2, 2, 3])
    #expect([[[Int32]]](x) == cube)
    #expect([[[Double]]](x.permute([2, 0, 1]))[2] == [[3, 6], [9, -3]])
    #expect([[Bool]](Tensor([[0.5, 0], [0, -1]])) == [[true, false], [false, true]])
    #expect([Int](Tensor([1.9, -1.9])) == [1, -1])
    #expect([[Float]](Tensor([[0.5]]).T) == [[0.5]])
    let empty = Tensor([[], []] as [[Float]])
    #expect(empty.shape == [2, 0] && [[Float]](empty) == [[], []])
    #expect(Tensor([] as [[[Bool]]]).shape == [0, 0, 0])
    #expect([[Float]](Tensor([] as [[Float]])) == [])
  }

  @Test func raggedArraysAreRefusedInTorchsWords() {
    #expect(refusal { _ = Tensor([[1, 2], [3]]) }.contains("expected sequence of length 2 at dim 1 (got 1)"))
    #expect(refusal { _ = Tensor([[[1, 2]], [[3]]]) }.contains("expected sequence of length 2 at dim 2 (got 1)"))
    #expect(refusal { _ = Tensor([[], [1]]) }.contains("expected sequence of length 0 at dim 1 (got 1)"))
    let tooFlat = refusal { #expect([Float](Tensor([[1]])) == []) }
    #expect(
      tooFlat.contains("a Tensor of 2 dimensions does not fit arrays nested 1 deep") && tooFlat.contains("ArrayTests.swift:"))
  }

  @Test func literalsHaveTorchsDtypes() {
    let integers: Tensor = [[1, -2], [3, 4]]
    #expect(integers.dtype == .int64 && [[Int]](integers) == [[1, -2], [3, 4]])
    let reals: Tensor = [[[0.1, 2]], [[-3, true]]]
    #expect(reals.dtype == .float32 && [[[Float]]](reals) == [[[0.1, 2]], [[-3, 1]]])
    let booleans: Tensor = [true, false]
    #expect(booleans.dtype == .bool && [Bool](booleans) == [true, false])
    let mixed: Tensor = [true, 7]
    #expect(mixed.dtype == .int64 && [Int](mixed) == [1, 7])
    let none: Tensor = []
    #expect(none.dtype == .float32 && none.shape == [0])
    let rows: Tensor = [[], []]
    #expect(rows.shape == [2, 0])
    #expect([Float](Tensor([1, 2] as [Float]) + [10, 20]) == [11, 22])
    #expect(Tensor([1, 2.5]).dtype == .float64 && Tensor([[1, 2]]).dtype == .int64)
  }

  @Test func arraysAndNumbersTakeADtype() {
    let row = Tensor([0.5, -1.5], dtype: .float32)
    #expect(row.dtype == .float32 && row.shape == [2] && [Float](row) == [0.5, -1.5])
    let rows = Tensor([[1, 0], [0, 3]], dtype: .bool)
    #expect(rows.dtype == .bool && [[Bool]](rows) == [[true, false], [false, true]])
    #expect([Int](Tensor([1.9, -1.9], shape: [2], dtype: .int64)) == [1, -1])
    let number = Tensor(3, dtype: .float16)
    #expect(number.dtype == .float16 && number.shape == [] && number.item() == 3)
    #expect(Tensor([[1]], dtype: .int8, device: .cpu).dtype == .int8)
    #expect(refusal { _ = Tensor([[1], []], dtype: .float32) }.contains("expected sequence of length 1 at dim 1 (got 0)"))
  }

  @Test func choicesBetweenNumbersHaveTorchsDtypes() {
    let isPositive = Tensor([-1, 2] as [Float]) .> 0
    let (wholes, reals) = (Tensor.where(isPositive, 1, 0), Tensor.where(isPositive, 1.5, 0))
    #expect(wholes.dtype == .int64 && [Int](wholes) == [0, 1])
    #expect(reals.dtype == .float32 && [Float](reals) == [0, 1.5])
  }

  @Test func aCloneOfAStateDictKeepsItsNumbers() {
    let weight = Tensor([1, 2] as [Float])
    let (shared, kept) = (["w": weight] as StateDict, (["w": weight] as StateDict).clone())
    weight.zero_()
    #expect([Float](shared["w"]!) == [0, 0] && [Float](kept["w"]!) == [1, 2] && kept.keys == ["w"])
  }

  @Test func raggedLiteralsAreRefused() {
    #expect(refusal { let _: Tensor = [[1, 2], [3]] }.contains("expected sequence of length 2 at dim 1 (got 1)"))
    #expect(refusal { let _: Tensor = [[1], 2] }.contains("expected sequence of length 1 at dim 1 (got a number)"))
    #expect(refusal { let _: Tensor = [1, [2]] }.contains("expected a number at dim 1 (got a list)"))
  }

  @Test func numbersStayNumbersBesideTensors() {
    let x = Tensor([1, 2] as [Float])
    #expect([Float](2.0 * x + 1) == [3, 5] && [Float](x * 2 - 1 / x) == [1, 3.5] && [Float](-x) == [-1, -2])
    #expect((Tensor([1]) * 2).dtype == .int64 && (Tensor([1]) * 2.0).dtype == .float32)
    #expect(x.view([2, 1]).shape == [2, 1])
  }

  @Test func zerosKeepTheirSign() {
    for dtype in [DType.float16, .bfloat16, .float32, .float64] {
      let whole = Tensor.full([70], -0.0, dtype: dtype)
      let framed = Tensor.ones([1], dtype: dtype).pad([1, 0], value: -0.0)
      #expect((whole.array(of: Double.self) + [framed[0].item()]).allSatisfy { $0 == 0 && $0.sign == .minus })
    }
  }

  @Test func scalars() {
    #expect(Float(Tensor(2.5)) == 2.5 && Double(Tensor([[7]])) == 7 && Int(Tensor(-2.7)) == -2 && Int(Tensor(true)) == 1)
    #expect(Bool(Tensor(0.5)) && Bool(Tensor(Double.nan)) && !Bool(Tensor([0])))
    #expect(Tensor(Int64.max - 1).item(as: Int.self) == .max - 1)
    #expect(Tensor(300).item(as: Float.self) == 300 && Tensor([-128]).item(as: Int8.self) == -128)
    #expect(Tensor(0.1 as Float).item() == Double(0.1 as Float))
    #expect(Tensor(3).view([1, 1, 1]).expand([1, 1, 1]).item(as: UInt8.self) == 3)
    #expect(Tensor(-9.223372036854775808e18).item(as: Int64.self) == .min)
    #expect(Tensor(255.9).item(as: UInt8.self) == 255 && Tensor(-0.9).item(as: UInt8.self) == 0)
  }

  @Test func scalarsThatAreNone() {
    let pair = Tensor([1, 2])
    let said = refusal { #expect(Float(pair).isNaN) }
    #expect(said.contains("item: a Tensor with 2 elements cannot be converted to Scalar") && said.contains("ArrayTests.swift:"))
    for (says, body) in [
      ("a Tensor with 0 elements", { Int(Tensor.zeros([0])) == 0 }),
      ("Boolean value of Tensor with more than one value is ambiguous", { !Bool(pair) }),
      ("Boolean value of Tensor with no values is ambiguous", { !Bool(Tensor.zeros([2, 0])) }),
      ("cannot convert float NaN to integer", { Int(Tensor(Double.nan)) == 0 }),
      ("cannot convert float infinity to integer", { Int(Tensor(-Double.infinity)) == 0 }),
    ] as [(String, () -> Bool)] {
      let said = refusal { #expect(body()) }
      #expect(said.contains(says))
    }
    for number in [128.0, -129, 1e30] {
      #expect(refusal { _ = Tensor(number).item(as: Int8.self) }.contains("cannot be converted to type int8 without overflow"))
    }
    #expect(refusal { _ = Tensor(9.3e18).item(as: Int.self) }.contains("without overflow"))
    #expect(refusal { _ = Tensor(9.223372036854775808e18).item(as: Int.self) }.contains("without overflow"))
    #expect(refusal { _ = Tensor(-1).item(as: UInt8.self) }.contains("without overflow"))
    #expect(refusal { _ = Tensor(1 << 40).item(as: Int32.self) }.contains("without overflow"))
  }

  /// In a failed scope what is poisoned has no elements, and what is not keeps its own, whatever the dtype and strides.
  @Test func readingInAFailedScope() {
    let x = Tensor([[1, 2], [3, 4]] as [[Float]])
    let (transposed, one) = (x.T, Tensor(5))
    let said = refusal {
      let poisoned = x.view([3])
      #expect(poisoned.array(of: Float.self) == [] && [[Float]](poisoned) == [])
      #expect(poisoned.item().isNaN && Int(poisoned) == 0 && !Bool(poisoned) && poisoned.item(as: UInt8.self) == 0)
      #expect(!poisoned.isEqual(to: poisoned) && !x.allClose(x))
      #expect(poisoned.withUnsafeBytes { $0.count } == 0)
      #expect(x.array(of: Int.self) == [1, 2, 3, 4] && transposed.array(of: Double.self) == [1, 3, 2, 4])
      #expect(transposed.withUnsafeElements(of: Double.self) { Array($0) } == [1, 3, 2, 4] && one.item() == 5)
    }
    #expect(said.contains("shape '[3]' is invalid"))
  }
}
