import Testing

@testable import Flambeau

/// Calls of the backend that training makes of many tensors at once.
enum TrainingCalls {
  /// Arrays of different sizes, more than one launch's table holds, some empty.
  private static let counts = [3, 20_000, 0, 1, 8192, 8193] + Array(repeating: 5, count: 70)

  private static func tensors(_ dtype: DType, seed: UInt64, positive: Bool = false) -> [Tensor] {
    withGenerator(Generator(seed: seed)) {
      counts.map { (positive ? Tensor.rand([$0]) : Tensor.randn([$0])).to(dtype) }
    }
  }

  /// Steps in all ways that rules have.
  static let formulas: [(StepFormula, states: [Bool])] = {
    func formula(_ rule: StepFormula.Rule, _ set: (inout StepFormula) -> Void) -> StepFormula {
      var formula = StepFormula(rule, rate: 0.02)
      (formula.momentum, formula.fresh1, formula.beta2, formula.eps) = (0.9, 0.1, 0.99, 1e-6)
      (formula.correction1, formula.correction2) = (0.4, 0.6)
      set(&formula)
      return formula
    }
    return [
      (formula(.sgd) { $0.weightDecay = 0.1 }, []),
      (formula(.sgd) { $0.nesterov = true }, [true]),
      (formula(.sgd) { ($0.isFirst, $0.maximize) = (true, true) }, [true]),
      (formula(.adam) { $0.kept = 0.99 }, [true, true]),
      (formula(.adam) { $0.fresh1 = 0.6 }, [true, true, true]),
      (formula(.rmsprop) { $0.weightDecay = 0.1 }, [true]),
      (formula(.rmsprop) { _ in }, [true, true, true]),
      (formula(.adagrad) { _ in }, [true]),
      (formula(.adagrad) { ($0.isFirst, $0.initial) = (true, 0.5) }, [true]),
      (formula(.adadelta) { _ in }, [true, true]),
      (formula(.adamax) { _ in }, [true, true]),
      (formula(.radam) { _ in }, [true, true]),
      (formula(.radam) { $0.rectification = 0.7 }, [true, true]),
      (formula(.nadam) { ($0.kept, $0.meanRate) = (0.99, 0.03) }, [true, true]),
      (formula(.asgd) { ($0.kept, $0.weightDecay) = (0.99, 0.1) }, [true]),
      (formula(.asgd) { $0.fresh1 = 1 }, [true]),
      (formula(.rprop) { ($0.shrink, $0.grow, $0.smallest, $0.largest) = (0.5, 1.2, 0.1, 0.8) }, [true, true]),
      (formula(.rprop) { ($0.isFirst, $0.initial, $0.largest, $0.maximize) = (true, 0.3, 1, true) }, [true, true]),
    ]
  }()

  /// With operands that are made before, so that no other calls are heard.
  static func all() -> [@Sendable () -> Void] {
    var calls: [@Sendable () -> Void] = []
    for dtype in [DType.float32, .float64, .float16, .bfloat16] {
      for (formula, states) in formulas {
        let (parameters, gradients) = (tensors(dtype, seed: 1), tensors(dtype, seed: 2))
        let state = states.indices.map { tensors(dtype, seed: UInt64(3 + $0), positive: true) }
        let steps = parameters.indices.map { i in
          ParameterStep(formula, parameter: parameters[i], gradient: gradients[i], state: state.map { $0[i] })
        }
        calls.append { ParameterStep.run(steps, operation: "step") }
      }
      // Arrays that begin within 16 bytes.
      let shifted = (0..<4).map { seed in
        withGenerator(Generator(seed: UInt64(seed))) { Tensor.rand([3001]).to(dtype).narrow(0, start: 1, length: 3000) }
      }
      calls.append {
        let step = ParameterStep(
          formulas[3].0, parameter: shifted[0], gradient: shifted[1], state: [shifted[2], shifted[3], nil])
        ParameterStep.run([step], operation: "step")
      }
      let (first, second, third) = (tensors(dtype, seed: 7), tensors(dtype, seed: 8), tensors(dtype, seed: 9))
      for order in [1, 2, 3, Double.infinity] {
        calls.append { _ = GradientScaling.norm(of: first, order: order, operation: "norm") }
      }
      calls.append { GradientScaling.scale(second, by: 0.3, operation: "scale") }
      calls.append { GradientScaling.clamp(third, to: 0.7, operation: "clamp") }
    }
    let mixed = tensors(.float32, seed: 10) + tensors(.bfloat16, seed: 11)
    calls.append { _ = GradientScaling.norm(of: mixed, order: 2, operation: "norm") }
    return calls
  }
}

@Suite(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) struct UnscaleTests {
  /// What a step may not see is found while gradients are scaled, without anybody waiting for it.
  @Test(arguments: [DType.float32, .float16, .float64]) func whatIsNotFiniteIsFound(dtype: DType) throws {
    for (bad, expected) in [(1.0, 0.0), (.infinity, 1), (-.infinity, 1), (.nan, 1)] as [(Double, Double)] {
      let gradients = [Tensor.ones([5]).to(dtype), (Tensor.ones([9000]) * 4).to(dtype)]
      gradients[1][8999].fill_(bad)
      let found = Tensor.zeros([1])
      let task = GradientTask(
        .scale(by: 0.25, found: found.body.elements), gradients.map(\.body.elements))
      let work = KernelCall.task(task).work(on: DeviceShape(multiprocessorCount: 2, sharedByteCount: 48 << 10))
      let memory = task.operands.map { UnsafeRawBufferPointer(start: $0.span!.start, count: $0.span!.byteCount) }
      #expect(try EmulatedKernels(work.launches.map(\.source)).run(work, memory: memory) == nil)
      #expect(found.item(as: Double.self) == expected)
      #expect(gradients[0].to(.float64).array(of: Double.self) == Array(repeating: 0.25, count: 5))
      #expect(gradients[1].to(.float64).array(of: Double.self).prefix(8999).allSatisfy { $0 == 1 })
    }
  }
}
