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
    if Context.current.isFailed { return }
    do throws(TensorError) {
      var runs: [StepRun] = []
      for step in steps { runs.append(try StepRun(step)) }
      let pieces = Pieces(counts: runs.map(\.parameter.count))
      runs.withUnsafeBufferPointer { runs in
        pieces.run { _, piece in runs[piece.array].run(piece.start, piece.count) }
      }
      for run in runs { run.finish() }
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

/// A step ready to run on any thread.
private struct StepRun {
  let parameter: DenseArray
  private let gradient: DenseArray
  private let state: (DenseArray?, DenseArray?, DenseArray?)
  private let kernel: StepKernel

  init(_ step: ParameterStep) throws(TensorError) {
    try TensorError.checkWritable(step.parameter)
    parameter = try DenseArray(step.parameter)
    gradient = try DenseArray(step.gradient)
    var arrays: [DenseArray?] = []
    for tensor in step.state { arrays.append(try DenseArray(tensor)) }
    while arrays.count < 3 { arrays.append(nil) }
    state = (arrays[0], arrays[1], arrays[2])
    switch step.formula {
    case .sgd(let formula): kernel = .sgd(KernelAccess.sgd[Int(parameter.computeClass.rawValue)]!, formula.constants)
    case .adam(let formula): kernel = .adam(KernelAccess.adam[Int(parameter.computeClass.rawValue)]!, formula.constants)
    }
  }

  func run(_ start: Int, _ count: Int) {
    if parameter.dtype.isHalf { return runConverted(start, count) }
    let offset = start * parameter.dtype.byteCount
    kernel.run(
      parameter.start + offset, gradient.start + offset, state.0.map { $0.start + offset }, state.1.map { $0.start + offset },
      state.2.map { $0.start + offset }, count)
  }

  /// Half types compute in float32, block by block.
  private func runConverted(_ start: Int, _ count: Int) {
    let (load, store) = (fb_f32.load(parameter.dtype), fb_f32.store(parameter.dtype))
    let block = convertedBlock * MemoryLayout<Float>.size
    Scratch.withBytes(5 * block) { scratch in
      for at in stride(from: start, to: start + count, by: convertedBlock) {
        let n = Swift.min(convertedBlock, start + count - at)
        func loaded(_ array: DenseArray?, _ slot: Int) -> UnsafeMutableRawPointer? {
          guard let array else { return nil }
          load(scratch + slot * block, array.start + at * array.dtype.byteCount, 1, n)
          return scratch + slot * block
        }
        func stored(_ array: DenseArray?, _ slot: Int) {
          guard let array else { return }
          store(array.start + at * array.dtype.byteCount, 1, scratch + slot * block, n)
        }
        kernel.run(
          loaded(parameter, 0)!, loaded(gradient, 1)!, loaded(state.0, 2), loaded(state.1, 3), loaded(state.2, 4), n)
        stored(parameter, 0)
        stored(state.0, 2)
        stored(state.1, 3)
        stored(state.2, 4)
      }
    }
  }

  func finish() {
    parameter.finish()
    state.0?.finish()
    state.1?.finish()
    state.2?.finish()
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
