import CKernels

/// One parameter in a step of an optimizer: what is read and what is written.
///
/// All tensors have the parameter's shape and dtype. What the state holds, and in what order, depends on the formula.
package struct ParameterStep: Sendable {
  package enum Formula: Sendable {
    /// State: the momentum buffer, if there is momentum.
    case sgd(SGDFormula)
    /// State: the mean of the gradients, that of their squares and, with amsgrad, the largest of the latter.
    case adam(AdamFormula)
  }

  package let parameter: Tensor
  package let gradient: Tensor
  package let state: [Tensor]
  package let formula: Formula

  package init(_ formula: Formula, parameter: Tensor, gradient: Tensor, state: [Tensor]) {
    self.formula = formula
    self.parameter = parameter
    self.gradient = gradient
    self.state = state
  }

  /// Takes all steps in one pass over memory, or, where the error scope has failed or one is refused, none.
  package static func run(_ steps: [ParameterStep], operation: String) {
    let context = Context.current
    if context.isFailed { return }
    let span = context.profiler?.begin(.function(operation))
    do throws(TensorError) {
      for step in steps { try step.parameter.body.checkWritable(context, recording: false) }
      var arrays: [StepArrays] = []
      for step in steps { arrays.append(try StepArrays(step)) }
      let runs = zip(arrays, steps).map { StepRun($0, $1.formula) }
      let pieces = Pieces(counts: arrays.map(\.parameter.count))
      runs.withUnsafeBufferPointer { runs in
        pieces.run { _, piece in runs[piece.array].run(piece.start, piece.count) }
      }
      for array in arrays { array.finish() }
      span?.end(byteCount: arrays.reduce(0) { $0 + $1.movedByteCount })
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
    }
  }
}

package struct SGDFormula: Sendable {
  package var lr, momentum, dampening, weightDecay: Double
  package var nesterov, maximize: Bool
  /// The momentum buffer holds nothing yet.
  package var isFirst: Bool

  package init(
    lr: Double, momentum: Double, dampening: Double, weightDecay: Double, nesterov: Bool, maximize: Bool, isFirst: Bool
  ) {
    (self.lr, self.momentum, self.dampening, self.weightDecay) = (lr, momentum, dampening, weightDecay)
    (self.nesterov, self.maximize, self.isFirst) = (nesterov, maximize, isFirst)
  }

  fileprivate var constants: fb_sgd {
    fb_sgd(
      lr: lr, weight_decay: weightDecay, momentum: momentum, fresh: 1 - dampening, first: isFirst, nesterov: nesterov,
      maximize: maximize)
  }
}

package struct AdamFormula: Sendable {
  package var lr: Double
  package var betas: (Double, Double)
  /// βᵗ of both betas, t counting from 1.
  package var powers: (Double, Double)
  package var eps, weightDecay: Double
  /// The parameter itself decays, not its gradient.
  package var isDecoupled, maximize: Bool

  package init(
    lr: Double, betas: (Double, Double), powers: (Double, Double), eps: Double, weightDecay: Double, isDecoupled: Bool,
    maximize: Bool
  ) {
    (self.lr, self.betas, self.powers, self.eps) = (lr, betas, powers, eps)
    (self.weightDecay, self.isDecoupled, self.maximize) = (weightDecay, isDecoupled, maximize)
  }

  fileprivate var constants: fb_adam {
    fb_adam(
      step_size: lr / (1 - powers.0), weight_decay: isDecoupled ? 0 : weightDecay,
      kept: isDecoupled ? 1 - lr * weightDecay : 1, fresh1: 1 - betas.0, beta2: betas.1, fresh2: 1 - betas.1,
      correction2: (1 - powers.1).squareRoot(), eps: eps, maximize: maximize)
  }
}

/// The memory of a step.
private struct StepArrays {
  let parameter: DenseArray
  let gradient: DenseArray
  let state: (DenseArray?, DenseArray?, DenseArray?)

  init(_ step: ParameterStep) throws(TensorError) {
    parameter = try DenseArray(step.parameter)
    gradient = try DenseArray(step.gradient)
    func array(_ i: Int) throws(TensorError) -> DenseArray? {
      i < step.state.count ? try DenseArray(step.state[i]) : nil
    }
    state = (try array(0), try array(1), try array(2))
  }

  /// The gradient is read; all else is read and written.
  var movedByteCount: Int {
    let written = [parameter, state.0, state.1, state.2].compactMap { $0 }
    return gradient.byteCount + written.reduce(0) { $0 + 2 * $1.byteCount }
  }

  func finish() {
    parameter.finish()
    state.0?.finish()
    state.1?.finish()
    state.2?.finish()
  }
}

/// A step as threads run it: numbers and addresses only, so that they share no reference counts.
private struct StepRun {
  private typealias Address = UnsafeMutableRawPointer

  private let parameter: Address
  private let gradient: Address
  private let state: (Address?, Address?, Address?)
  private let dtype: DType
  private let kernel: StepKernel

  init(_ arrays: StepArrays, _ formula: ParameterStep.Formula) {
    parameter = arrays.parameter.start
    gradient = arrays.gradient.start
    state = (arrays.state.0?.start, arrays.state.1?.start, arrays.state.2?.start)
    dtype = arrays.parameter.dtype
    switch formula {
    case .sgd(let formula): kernel = .sgd(KernelAccess.sgd[Int(dtype.rawValue)]!, formula.constants)
    case .adam(let formula): kernel = .adam(KernelAccess.adam[Int(dtype.rawValue)]!, formula.constants)
    }
  }

  func run(_ start: Int, _ count: Int) {
    let offset = start * dtype.byteCount
    kernel.run(
      parameter + offset, gradient + offset, state.0.map { $0 + offset }, state.1.map { $0 + offset },
      state.2.map { $0 + offset }, count)
  }
}

private enum StepKernel {
  case sgd(fb_sgd_step, fb_sgd)
  case adam(fb_adam_step, fb_adam)

  @inline(__always)
  func run(
    _ parameter: UnsafeMutableRawPointer, _ gradient: UnsafeMutableRawPointer, _ first: UnsafeMutableRawPointer?,
    _ second: UnsafeMutableRawPointer?, _ third: UnsafeMutableRawPointer?, _ count: Int
  ) {
    switch self {
    case .sgd(let kernel, let constants):
      withUnsafePointer(to: constants) { kernel(parameter, gradient, first, count, $0) }
    case .adam(let kernel, let constants):
      withUnsafePointer(to: constants) { kernel(parameter, gradient, first, second, third, count, $0) }
    }
  }
}
