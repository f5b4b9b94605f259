import CKernels

/// What is done to the sums of a product before they are rounded.
enum ProductFinish {
  /// c = f(sum). `keeping`: where the sums are left as well, laid out as c.
  case activation(FusedActivation, keeping: Elements? = nil)
  /// c = sum · f′, the slope of f where it gave or got `at` (``FusedActivation/readsResult``), which is laid out as c.
  case slope(FusedActivation, at: Elements)

  /// What is written, or read, beside the product's own operands.
  var elements: Elements? {
    switch self {
    case .activation(_, let kept): kept
    case .slope(_, let input): input
    }
  }

  func mapElements(_ f: (Elements) -> Elements) -> ProductFinish {
    switch self {
    case .activation(let function, let kept): .activation(function, keeping: kept.map(f))
    case .slope(let function, let input): .slope(function, at: f(input))
    }
  }

  /// All but where its elements lie.
  enum Kind: Hashable {
    case activation(FusedActivation, keeps: Bool)
    case slope(FusedActivation)
  }

  var kind: Kind {
    switch self {
    case .activation(let function, let kept): .activation(function, keeps: kept != nil)
    case .slope(let function, _): .slope(function)
    }
  }
}

extension ProductFinish {
  /// What a product on the processor does to segments of rows; see ``GemmEpilogue/rows``.
  func rows(of c: Elements, _ table: GemmTable) -> (UnsafeMutableRawPointer, Int, Int, Int) -> Void {
    let (dtype, columns) = (c.dtype, c.layout.shape.at(c.layout.rank - 1))
    let type = table.type(dtype)
    switch self {
    case .activation(let function, let kept):
      let plan = function.program.plan(in: dtype.computeClass)
      let place = kept?.start
      return { values, row, column, count in
        if let place {
          type.pointee.finish(place + (row * columns + column) * dtype.byteCount, 0, values, 0, 1, count, 0)
        }
        var step = Quick(plan, count, at: values)
        step.take(values, isNumber: false)
        _ = step.run()
      }
    case .slope(let function, let input):
      let plan = function.slope.plan(in: dtype.computeClass)
      let (place, compute) = (input.start, dtype.gemmCompute)
      return { values, row, column, count in
        let from = place + (row * columns + column) * dtype.byteCount
        Scratch.withBytes(dtype == compute ? 0 : count * compute.byteCount) { wide in
          if dtype != compute { type.pointee.widen(wide, from, 1, count) }
          var step = Quick(plan, count, at: values)
          step.take(dtype == compute ? from : wide, isNumber: false)
          step.take(values, isNumber: false)
          _ = step.run()
        }
      }
    }
  }
}
