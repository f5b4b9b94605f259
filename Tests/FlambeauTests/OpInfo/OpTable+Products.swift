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
    sumOfProducts("addmv") { $0.addmv($1, $2, beta: $3, alpha: $4) }
    sumOfProducts("baddbmm") { $0.baddbmm($1, $2, beta: $3, alpha: $4) }
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
