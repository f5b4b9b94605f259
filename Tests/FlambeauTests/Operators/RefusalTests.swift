import Testing

@testable import Flambeau

/// Misuse of products, places and counts, beside torch's sentences.
@Suite struct RefusalTests {
  private let x = Tensor((0..<12).map(Float.init), shape: [3, 4])
  private let index = Tensor([0, 2])
  private let zero = Tensor(3 as Float)

  private func expectTorchs(_ list: [Misuse]) throws {
    expectNone(try Misuse.differences(list, operands: [x, index, zero]))
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func meansOfSmallVolumesRefuse() throws {
    let small = Tensor.zeros([1, 1, 1, 3, 4])
    try expectTorchs([
      Misuse("F.avg_pool3d(a[None, None, None], 2, padding=1)", small.avgPool3d(2, padding: 1)),
      Misuse("F.avg_pool3d(a[None, None], (1, 1, 5), padding=(0, 0, 2))", small[0].avgPool3d([1, 1, 5], padding: [0, 0, 2])),
    ])
  }

  @Test func quotientsOfIntegersRefuse() {
    for (a, b) in [(DType.int32, DType.bool), (.int64, .uint8)] {
      let (a, b) = (Tensor.ones([2], dtype: a), Tensor.ones([2], dtype: b))
      let zeros = Tensor.zeros([2])
      #expect(Direct.refusal { _ = zeros.addcdiv(a, b) }.contains("Integer division with addcdiv is no longer supported"))
      #expect(Direct.refusal { zeros.addcdiv_(a, b) }.contains("Integer division with addcdiv is no longer supported"))
      #expect(zeros.addcdiv(a.to(.float32), b).array(of: Float.self) == [1, 1])
    }
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func productsRefuse() throws {
    try expectTorchs([
      Misuse("torch.einsum('ij', a, a)", Tensor.einsum("ij", x, x)),
      Misuse("torch.einsum('ij,ij', a)", Tensor.einsum("ij,ij", x)),
      Misuse("torch.einsum('i', a)", Tensor.einsum("i", x)),
      Misuse("torch.einsum('ijk', a)", Tensor.einsum("ijk", x)),
      Misuse("torch.einsum('i?', a)", Tensor.einsum("i?", x)),
      Misuse("torch.einsum('ij->k', a)", Tensor.einsum("ij->k", x)),
      Misuse("torch.einsum('ij->ii', a)", Tensor.einsum("ij->ii", x)),
      Misuse("torch.einsum('ii', a)", Tensor.einsum("ii", x)),
      Misuse("torch.einsum('ij,jk', a, a)", Tensor.einsum("ij,jk", x, x)),
      Misuse("torch.tensordot(a, a, 1)", x.tensordot(x, dims: 1)),
      Misuse("torch.tensordot(a, a, ([0], [0, 1]))", x.tensordot(x, dims: [0], [0, 1])),
      Misuse("torch.tensordot(a, a, -1)", x.tensordot(x, dims: -1)),
      Misuse("torch.tensordot(a, a, 3)", x.tensordot(x, dims: 3)),
      Misuse("torch.inner(a, a[0, :3])", x.inner(x[0, ..<3])),
      Misuse("torch.linalg.cross(a, a)", x.cross(x, dim: -1)),
      Misuse("torch.linalg.cross(a, a[0], dim=0)", x.cross(x[0], dim: 0)),
      Misuse("a[0].trace()", x[0].trace()),
      Misuse("torch.addr(a, a, a)", x.addr(x, x)),
      Misuse("torch.linalg.multi_dot([a])", Tensor.multiDot([x])),
    ])
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func placesRefuse() throws {
    try expectTorchs([
      Misuse("torch.searchsorted(a, c)", x.searchSorted(zero)),
      Misuse("torch.searchsorted(a, a[:2])", x.searchSorted(x[..<2])),
      Misuse("torch.bucketize(a, a)", x.bucketize(x)),
      Misuse("torch.take_along_dim(a, b, 0)", x.takeAlongDim(index, dim: 0)),
      Misuse("torch.take_along_dim(a, a, 0)", x.takeAlongDim(x, dim: 0)),
      Misuse("a.put(b, a)", x.put(index, x)),
      Misuse("a.put(a, a)", x.put(x, x)),
      Misuse("a.put(b, b)", x.put(index, index)),
      Misuse("a.select_scatter(a, 0, 0)", x.selectScatter(x, dim: 0, index: 0)),
      Misuse("a.scatter_reduce(0, a, a, 'sum')", x.scatterReduce(dim: 0, index: x, source: x, .sum)),
      Misuse("a.scatter_reduce(0, b, a, 'sum')", x.scatterReduce(dim: 0, index: index, source: x, .sum)),
    ])
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func countsAndSharesRefuse() throws {
    try expectTorchs([
      Misuse("a.quantile(1.5)", x.quantile(1.5)),
      Misuse("a.quantile(a)", x.quantile(x)),
      Misuse("b.quantile(0.5)", index.quantile(0.5)),
      Misuse("a.quantile(torch.tensor([0.5], dtype=torch.float64))", x.quantile(Tensor([0.5] as [Double]))),
      Misuse("a[:0].quantile(0.5)", x[..<0].quantile(0.5)),
      Misuse("a.quantile(0.5, 3)", x.quantile(0.5, dim: 3)),
      Misuse("b.nanmean()", index.nanMean()),
      Misuse("a[:0].aminmax()", x[..<0].aminmax().min),
      Misuse("a[:0].aminmax(dim=0)", x[..<0].aminmax(dim: 0).min),
      Misuse("a[0].renorm(2, 0, 1)", x[0].renorm(2, dim: 0, maxNorm: 1)),
      Misuse("a.renorm(2, 0, -1)", x.renorm(2, dim: 0, maxNorm: -1)),
      Misuse("torch.bincount(a)", x.bincount()),
      Misuse("torch.bincount(-b)", (-index).bincount()),
      Misuse("torch.bincount(b, a[0])", index.bincount(weights: x[0])),
      Misuse("torch.bincount(b, minlength=-1)", index.bincount(minLength: -1)),
      Misuse("a.histc(0)", x.histc(bins: 0)),
      Misuse("a.histc(3, 2, 1)", x.histc(bins: 3, min: 2, max: 1)),
      Misuse("a.histogram(a)", x.histogram(bins: x).hist),
      Misuse("a.histogram(3, weight=c)", x.histogram(bins: 3, weight: zero).hist),
      Misuse("a[:0].mode(0)", x[..<0].mode(dim: 0).values),
      Misuse("a.unique(dim=5)", x.unique(dim: 5)),
      Misuse("torch.cov(a.reshape(3, 2, 2))", x.reshape([3, 2, 2]).cov()),
    ])
  }

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func slopesAndShapesRefuse() throws {
    try expectTorchs([
      Misuse("torch.isin(a > 0, b)", (x .> 0).isIn(index)),
      Misuse("torch.unravel_index(a, (3, 4))", x.unravelIndex([3, 4])[0]),
      Misuse("torch.gradient(a, edge_order=3)", x.gradient(edgeOrder: 3)[0]),
      Misuse("torch.gradient(a, dim=(0, 0))", x.gradient(dim: [0, 0])[0]),
      Misuse("torch.gradient(a, spacing=[0.1])", x.gradient(spacing: [0.1])[0]),
      Misuse("torch.gradient(a, spacing=[0.1], dim=(0, 1))", x.gradient(spacing: [0.1], dim: [0, 1])[0]),
      Misuse("torch.gradient(a[:1])", x[..<1].gradient()[0]),
      Misuse("torch.gradient(a, spacing=(a,), dim=1)", x.gradient(spacing: [x], dim: [1])[0]),
      Misuse("a.sum_to_size(3, 3)", x.sumToSize([3, 3])),
      Misuse("torch.broadcast_tensors(a, b)", Tensor.broadcastTensors([x, index])[0]),
      Misuse("a.as_strided_scatter(a, (2, 2), (1, 1))", x.asStridedScatter(x, [2, 2], strides: [1, 1])),
      Misuse(
        "a.as_strided_scatter(torch.ones(2, 2), (2, 2), (0, 1))",
        x.asStridedScatter(.ones([2, 2]), [2, 2], strides: [0, 1])),
      Misuse("b.fill_diagonal_(1)", index.fillDiagonal_(1)),
      Misuse("a.reshape(3, 2, 2).fill_diagonal_(1)", x.reshape([3, 2, 2]).fillDiagonal_(1)),
      Misuse("torch.hann_window(-1)", Tensor.hannWindow(-1)),
      Misuse("torch.frexp(b)", index.frexp().mantissa),
      Misuse("a.tensor_split(a)", x.tensorSplit(x)[0]),
      Misuse("a.tensor_split(b[:, None])", x.tensorSplit(index.unsqueeze(1))[0]),
    ])
  }
}
