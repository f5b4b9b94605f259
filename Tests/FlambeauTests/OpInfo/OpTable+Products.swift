@testable import Flambeau

extension OpTable {
  mutating func addProducts() {
    binary("matmul") { $0.matmul($1) }
    binary("__rmatmul__") { $1.matmul($0) }
    one("mm") { c in try c.x.mm(try c.tensor("mat2", 1)) }
    one("bmm") { c in try c.x.bmm(try c.tensor("mat2", 1)) }
    one("mv") { c in try c.x.mv(try c.tensor("vec", 1)) }
    one("dot", "vdot") { c in try c.x.dot(try c.tensor("other", 1)) }
    one("outer") { c in try c.x.outer(try c.tensor("vec2", 1)) }
    sumOfProducts("addmm") { $0.addmm($1, $2, beta: $3, alpha: $4) }
    sumOfProducts("addmm.decomposed") { $0.addmm($1, $2, beta: $3, alpha: $4) }
    sumOfProducts("addmv") { $0.addmv($1, $2, beta: $3, alpha: $4) }
    sumOfProducts("baddbmm") { $0.baddbmm($1, $2, beta: $3, alpha: $4) }
    sumOfProducts("addbmm") { $0.addbmm($1, $2, beta: $3, alpha: $4) }
    sumOfProducts("addr") { $0.addr($1, $2, beta: $3, alpha: $4) }
    one("cross") { c in try c.x.cross(try c.tensor("other", 1), dim: try c.intIfAny("dim", 2)) }
    one("linalg.cross") { c in try c.x.cross(try c.tensor("other", 1), dim: try c.int("dim", default: -1)) }
    one("einsum") { c in
      guard let equation = try c.text("equation", 1) else { throw Unmapped(reason: "no equation") }
      return Tensor.einsum(equation, try c.tensors)
    }
    binary("inner") { $0.inner($1) }
    binary("kron") { $0.kron($1) }
    one("linalg.matrix_power") { c in
      let n = try c.int("n", 1)
      guard n >= 0 else { throw Unmapped(reason: "negative powers need an inverse") }
      return try c.x.matrixPower(n)
    }
    one("linalg.multi_dot") { c in Tensor.multiDot(try c.tensors) }
    one("tensordot") { c in
      let (x, other) = (try c.x, try c.tensor("other", 1))
      guard case .list(let parts, _)? = c.argument("dims", 2) else { return x.tensordot(other, dims: try c.int("dims", 2)) }
      return x.tensordot(other, dims: try parts[0].ints("dims") ?? [], try parts[1].ints("dims") ?? [])
    }
    unary("trace") { $0.trace() }
    one("linalg.vander") { c in
      guard try c.x.ndim == 1 else { throw Unmapped(reason: "one vector at a time, as torch.vander") }
      return try c.x.vander(try c.intIfAny("N"), increasing: true)
    }
    one("linalg.vecdot") { c in try c.x.vecdot(try c.tensor("y", 1), dim: try c.int("dim", default: -1)) }
    one("nn.functional.scaled_dot_product_attention") { c in
      try c.x.scaledDotProductAttention(
        try c.tensor("key", 1), try c.tensor("value", 2), attnMask: try c.tensorIfAny("attn_mask", 3),
        dropoutP: try c.double("dropout_p", 4, default: 0), isCausal: try c.bool("is_causal", 5),
        scale: try c.doubleIfAny("scale"),
        enableGQA: try c.bool("enable_gqa"))
    }
    one("nn.functional.linear") { c in try c.x.linear(try c.tensor("weight", 1), try c.tensorIfAny("bias", 2)) }
  }

  /// `beta` times the input plus `alpha` times the product of two more.
  private mutating func sumOfProducts(
    _ name: String, call: @escaping @Sendable (Tensor, Tensor, Tensor, Double, Double) -> Tensor
  ) {
    one(name) { c in
      call(
        try c.x, try c.tensor("mat1", 1), try c.tensor("mat2", 2), try c.double("beta", default: 1),
        try c.double("alpha", default: 1))
    }
  }
}
