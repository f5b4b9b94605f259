// Rows that write random numbers over what was there.
struct UniformArguments: Sendable {
  let from: Double
  let to: Double
}

struct NormalArguments: Sendable {
  let mean: Double
  let std: Double
}

struct Draws: Sendable {
  let uniform: Operator<UniformArguments> = draw(
    "uniform_",
    sample("uniform_()") { $0.uniform_() }, sample("uniform_(-1.5, 2)") { $0.uniform_(from: -1.5, to: 2) }
  ) { generator, start, dtype, count, _, at in
    generator.fillUniform(start, dtype, count: count, from: at.from, to: at.to)
  }
  let normal: Operator<NormalArguments> = draw(
    "normal_",
    sample("normal_()") { $0.normal_() }, sample("normal_(0.5, 3)") { $0.normal_(mean: 0.5, std: 3) }
  ) { generator, start, dtype, count, isContiguous, at in
    generator.fillNormal(start, dtype, count: count, mean: at.mean, std: at.std, contiguous: isContiguous)
  }

  /// The attribute is the probability of 1.
  let bernoulli: Operator<Double> = draw(
    "bernoulli_", isFloating: false, sample("bernoulli_(0.3)") { $0.bernoulli_(0.3) }
  ) { generator, start, dtype, count, _, p in generator.fillBernoulli(start, dtype, count: count, p: p) }

  private typealias Fill<Attributes> =
    @Sendable (
      Generator, _ start: UnsafeMutableRawPointer, DType, _ count: Int, _ isContiguous: Bool, Attributes
    ) -> Void

  /// Dense memory is filled in its own order, other memory through a copy of that order, as torch does.
  private static func draw<Attributes>(
    _ name: String, isFloating: Bool = true, _ samples: Sample..., fill: @escaping Fill<Attributes>
  ) -> Operator<Attributes> {
    Operator(
      name,
      plan: { (operands, _) throws(TensorError) in
        let target = operands[0]!.body
        guard target.dtype.isFloatingPoint || !isFloating else {
          throw .dtype("\"\(name)\" not implemented for '\(target.dtype.torchScalarName)'")
        }
        return ResultPlan(layout: target.layout, dtype: target.dtype, compute: target.dtype)
      },
      fill: { (operands, at, _, result) throws(TensorError) in
        let (layout, dtype) = (result.layout, result.dtype)
        if layout.isDense {
          fill(.current, result.start, dtype, layout.elementCount, layout.isContiguous, at)
          return
        }
        let copy = try Value(layout.dense, dtype)
        fill(.current, copy.storage.pointer, dtype, layout.elementCount, copy.layout.isContiguous, at)
        withExtendedLifetime(copy.storage) { copy.elements.copy(to: result) }
      },
      backward: { (_, _) throws(TensorError) in Few(nil) }, samples: samples)
  }

  private static func sample(_ call: String, _ draw: @escaping @Sendable (Tensor) -> Tensor) -> Sample {
    Sample("(torch.manual_seed(7), a * torch.empty(a.shape, dtype=a.dtype).\(call))[1]", [.real([3, 7])]) { operands in
      let a = operands[0]
      return withGenerator(Generator(seed: 7)) { a * draw(.zeros(a.shape, dtype: a.dtype)) }
    }
  }
}

extension Tensor {
  /// Uniform numbers in [from, to), from the current generator, over every element. Floating point only. Torch's `uniform_`.
  @discardableResult
  public func uniform_(
    from: Double = 0, to: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("uniform_", at: CallSite(file, line)) { _ throws(TensorError) in
      guard from <= to else {
        throw .argument("uniform_ expects to return a [from, to) range, but found from=\(from) > to=\(to)")
      }
      return ops.draws.uniform.write(Few(self), UniformArguments(from: from, to: to), at: CallSite(file, line))
    }
  }

  /// Normal numbers, from the current generator, over every element. Floating point only. Torch's `normal_`.
  @discardableResult
  public func normal_(
    mean: Double = 0, std: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("normal_", at: CallSite(file, line)) { _ throws(TensorError) in
      guard std >= 0 else { throw .argument("normal expects std >= 0.0, but found std \(std)") }
      return ops.draws.normal.write(Few(self), NormalArguments(mean: mean, std: std), at: CallSite(file, line))
    }
  }

  /// 1 with the probability `p`, else 0, from the current generator, over every element. Torch's `bernoulli_`.
  @discardableResult
  public func bernoulli_(_ p: Double = 0.5, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("bernoulli_", at: CallSite(file, line)) { _ throws(TensorError) in
      guard p >= 0, p <= 1 else { throw .argument("bernoulli_ expects p to be in [0, 1], but got p=\(p)") }
      return ops.draws.bernoulli.write(Few(self), p, at: CallSite(file, line))
    }
  }
}
