import Testing

@testable import Flambeau

/// The expected values are torch 2.13's.
@Suite struct ClosenessTests {
  private let inf = Float.infinity
  private let nan = Float.nan

  @Test func infinitiesAndNaN() {
    let a = Tensor([inf, inf, nan, nan, 1, -inf])
    let b = Tensor([inf, -inf, nan, 1, inf, -inf])
    #expect([Bool](a.isClose(b)) == [true, false, false, false, false, true])
    #expect([Bool](a.isClose(b, equalNan: true)) == [true, false, true, false, false, true])
    #expect([Bool](Tensor([1, 1, 1]).isClose(Tensor([2, 2, 0]), rtol: .infinity)) == [true, true, false])
    #expect(Bool(Tensor(1.0).isClose(Tensor(2.0), atol: .infinity)))
  }

  @Test func integersAndBooleans() {
    #expect([Bool](Tensor([1, 2, 3]).isClose(Tensor([1, 2, 5]), rtol: 0.3)) == [true, true, false])
    #expect([Bool](Tensor([1 << 62]).isClose(Tensor([1 << 62 + 1]), rtol: 0, atol: 0)) == [false])
    #expect([Bool](Tensor([250, 4] as [UInt8]).isClose(Tensor([4, 250] as [UInt8]), rtol: 0, atol: 20)) == [false, false])
    #expect([Bool](Tensor([true, true]).isClose(Tensor([true, false]), rtol: 1)) == [true, false])
  }

  @Test func allCloseBroadcastsAnyLayout() {
    let x = Tensor((0..<60_000).map { Float($0) * 0.25 }, shape: [200, 300])
    #expect(x.allClose(x) && x.T.allClose(x.T) && x.allClose(x + 1e-9))
    #expect(x.T.allClose((x * 1.000_001).T) && !x.T.allClose((x * 1.001).T))
    #expect(Tensor([1, 1] as [Float]).allClose(Tensor(1 as Float)) && !Tensor([1, 2] as [Float]).allClose(Tensor(1 as Float)))
    #expect(Tensor.zeros([0]).allClose(.zeros([0])) && Tensor(1.0).allClose(Tensor(1.0)) && !Tensor(1.0).allClose(Tensor(1.1)))
    #expect(Tensor([nan]).allClose(Tensor([nan]), equalNan: true) && !Tensor([nan]).allClose(Tensor([nan])))
    var far = (0..<100_000).map(Double.init)
    let near = Tensor(far)
    far[77_777] += 2
    #expect(!near.allClose(Tensor(far)) && near.allClose(Tensor(far), atol: 2))
    #expect(Tensor([1]).to(.bfloat16).allClose(Tensor([1.01]).to(.bfloat16), rtol: 0.02))
  }

  @Test func equality() {
    #expect(Tensor([1]).isEqual(to: Tensor([1.0])) && !Tensor([1, 2]).isEqual(to: Tensor([1, 2.5])))
    #expect(!Tensor([1]).isEqual(to: Tensor([[1]])) && Tensor([0.0]).isEqual(to: Tensor([-0.0])))
    #expect(Tensor.zeros([0]).isEqual(to: .zeros([0], dtype: .int64)) && !Tensor.zeros([2, 0]).isEqual(to: .zeros([0, 2])))
    let x = Tensor([nan, 1])
    #expect(!x.isEqual(to: x) && !x.isEqual(to: x.view([2])))
    #expect(!Tensor([Int.max]).isEqual(to: Tensor([Int.max - 1])) && Tensor([Int.max]).isEqual(to: Tensor([Int.max])))
    #expect(Tensor([16_777_217]).isEqual(to: Tensor([16_777_216] as [Float])))
    let y = Tensor((0..<20_000).map { Int32($0) }, shape: [100, 200])
    #expect(y.T.isEqual(to: y.T.contiguous()) && !y.T.isEqual(to: (y + 1).T))
    #expect(y.requiresGrad == false && Tensor(1.0).requiresGrad_().isEqual(to: Tensor(1.0)))
  }

  @Test func misuse() {
    let x = Tensor([1, 2] as [Float])
    #expect(refusal { _ = Tensor([1]).allClose(Tensor([1.0])) }.contains("Long did not match Double"))
    #expect(refusal { _ = x.isClose(x, rtol: -1) }.contains("rtol must be greater than or equal to zero, but got -1"))
    #expect(refusal { _ = x.isClose(x, atol: .nan) }.contains("atol must be greater than or equal to zero, but got nan"))
    let said = refusal { _ = x.allClose(Tensor([1, 2, 3] as [Float])) }
    #expect(said.contains("allclose: The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0"))
    #expect(said.contains("ClosenessTests.swift:"))
  }
}
