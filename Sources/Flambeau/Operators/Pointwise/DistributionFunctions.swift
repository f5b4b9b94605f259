import CKernels

// Shares and quantiles of the normal and of the gamma distribution.
struct DistributionFunctions: Sendable {
  let erfcx: Operator<PointwiseArguments> = .map(
    "special_erfcx", .floating, Program(fb_erfcx),
    samples: [
      .unary("torch.special.erfcx(a)") { $0.erfcx() }, .unary("torch.special.erfcx(a)", 20...40) { $0.erfcx() },
    ])
  let ndtri: Operator<PointwiseArguments> = .map(
    "special_ndtri", .floating, Program(fb_ndtri),
    samples: [
      .unary("torch.special.ndtri(a)", 0.02...0.4) { $0.ndtri() },
      .unary("torch.special.ndtri(a)", 0.6...0.98) { $0.ndtri() },
    ])
  /// Torch's two forms and its gradient, which has no difference of large numbers.
  let logNdtr: Operator<PointwiseArguments> = .map(
    "special_log_ndtr", .floating,
    Program(inputs: 1) { x, _ in
      let t = x[0] * rootHalf
      return select(
        lt(x[0], -1), Flambeau.log(Flambeau.erfcx(-t) / 2) - t * t, Flambeau.log1p(-Flambeau.erfc(t) / 2))
    } derivatives: { x, _, _, g in
      [g / Flambeau.erfcx(-x[0] * rootHalf) * Scalar(0.7978845608028654)]
    },
    samples: [
      .unary("torch.special.log_ndtr(a)") { $0.logNdtr() }, .unary("torch.special.log_ndtr(a * 3)") { ($0 * 3).logNdtr() },
    ])
  let igamma: Operator<PointwiseArguments> = .map(
    "igamma", .promoted, Program(inputs: 2) { x, _ in Flambeau.igamma(x[0], x[1]) },
    samples: [
      Sample("torch.igamma(a, b)", [.real([3, 4], 0.5...4).withoutGradient, .real([3, 4], 0.5...4)]) { $0[0].igamma($0[1]) },
      Sample("torch.igamma(a, b)", [.real([3, 1], 8...19).withoutGradient, .real([4], 8...40)]) { $0[0].igamma($0[1]) },
      Sample("a.clone().igamma_(b)", [.real([3, 4], 0.5...4).withoutGradient, .real([4], 0.5...4).withoutGradient]) {
        $0[0].clone().igamma_($0[1])
      },
    ])
  let igammac: Operator<PointwiseArguments> = .map(
    "igammac", .promoted, Program(inputs: 2) { x, _ in Flambeau.igammac(x[0], x[1]) },
    samples: [
      Sample("torch.igammac(a, b)", [.real([3, 4], 0.5...4).withoutGradient, .real([3, 4], 0.5...4)]) { $0[0].igammac($0[1]) },
      Sample("torch.igammac(a, b)", [.real([3, 1], 8...19).withoutGradient, .real([4], 8...40)]) { $0[0].igammac($0[1]) },
      Sample("a.clone().igammac_(b)", [.real([3, 4], 0.5...4).withoutGradient, .real([4], 0.5...4).withoutGradient]) {
        $0[0].clone().igammac_($0[1])
      },
    ])
}

private let rootHalf = Scalar(0.5.squareRoot())

extension Tensor {
  /// exp(x²) · ``erfc()``, also where one of the two is out of range. Torch's `special.erfcx`.
  public consuming func erfcx() -> Tensor { ops.distributionFunctions.erfcx(consume self) }
  /// The inverse of ``ndtr()``: −∞ at 0, ∞ at 1, NaN outside. Torch's `special.ndtri`.
  public consuming func ndtri() -> Tensor { ops.distributionFunctions.ndtri(consume self) }
  /// The logarithm of ``ndtr()``, exact in the tail too. Torch's `special.log_ndtr`.
  public consuming func logNdtr() -> Tensor { ops.distributionFunctions.logNdtr(consume self) }

  /// The share of the gamma distribution of shape `self` that lies below `other`; differentiable in `other` alone. Torch's
  /// `igamma`, or `special.gammainc`.
  public func igamma(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    gammaShare(ops.distributionFunctions.igamma, other, CallSite(file, line))
  }
  /// The share above `other`, 1 − ``igamma(_:file:line:)``. Torch's `igammac`, or `special.gammaincc`.
  public func igammac(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    gammaShare(ops.distributionFunctions.igammac, other, CallSite(file, line))
  }
  /// Torch's `igamma_`.
  @discardableResult
  public func igamma_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return constantShape("igamma", site) {
      ops.distributionFunctions.igamma.write(Few(self, other), PointwiseArguments(), at: site)
    }
  }
  /// Torch's `igammac_`.
  @discardableResult
  public func igammac_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return constantShape("igammac", site) {
      ops.distributionFunctions.igammac.write(Few(self, other), PointwiseArguments(), at: site)
    }
  }

  private func gammaShare(_ row: Operator<PointwiseArguments>, _ other: Tensor, _ site: CallSite) -> Tensor {
    constantShape(row.name, site) { row(self, other, PointwiseArguments(), at: site) }
  }

  /// Refuses a shape parameter that a gradient would have to reach.
  private func constantShape(_ name: String, _ site: CallSite, _ body: () -> Tensor) -> Tensor {
    checked(name, at: site) { _ throws(TensorError) in
      guard !requiresGrad || !Context.current.records else {
        throw .autograd("the derivative for 'self' of '\(name)' is not known. Detach it to take it as a constant.")
      }
      return body()
    }
  }
}
