import CKernels

/// Runs row programs on the CPU, row after row, the row staying in cache between its reductions.
enum RowInterpreter {
  /// Runs `program` on every row. Inputs and row outputs have one shape, the last dimension being the row; what is one
  /// number per row or one row for all has strides of 0. `number` outputs have a last size of 1, `columnSum` outputs are
  /// one row. Outputs overlap neither inputs nor each other.
  static func run(
    _ program: RowProgram, in computeClass: ComputeClass, inputs: [Elements], scalars: Scalars = Scalars(),
    into outputs: [Elements]
  ) {
    if inputs[0].layout.rank == 0 {
      // A scalar is one row of one element.
      let row = { (e: Elements) in e.layout.rank > 0 ? e : e.laid(e.layout.inserted(0)) }
      run(program, in: computeClass, inputs: inputs.map(row), scalars: scalars, into: outputs.map(row))
      return
    }
    let plan = program.plan(in: computeClass)
    let shape = inputs[plan.inputs.firstIndex(of: .row)!].layout.shape
    let width = shape.at(shape.count - 1)
    let rows = width == 0 ? 0 : shape.elementCount / width
    if rows == 0 {
      for (output, description) in zip(outputs, plan.outputs) where description.kind == .columnSum { clear(output) }
      return
    }
    let run = {
      withRowsDense(plan, inputs, outputs) { inputs, outputs in
        RowPass(plan, inputs: inputs, scalars: scalars, outputs: outputs, rows: rows, width: width).run()
      }
    }
    if KernelCall.isObserved {
      KernelCall.observed(.rows(program, computeClass, inputs, scalars, into: outputs), run)
    } else {
      run()
    }
  }

  private static let zero = Program { _ in 0 }
  private static let identity = Program { x in x }

  private static func clear(_ output: Elements) {
    if output.layout.elementCount > 0 { Interpreter.run(zero, in: fb_f32, output, into: output) }
  }

  /// Rows whose neighbours lie in other rows are collected first, and spread afterwards, many rows at a time.
  private static func withRowsDense(
    _ plan: RowPlan, _ inputs: [Elements], _ outputs: [Elements], _ body: ([Elements], [Elements]) -> Void
  ) {
    let computeClass = plan.computeClass
    let across = { (elements: Elements) in
      let layout = elements.layout
      let last = layout.rank - 1
      return abs(layout.strides.at(last)) >= 8 && layout.shape.at(last) > 1
    }
    let acrossInputs = inputs.indices.filter { plan.inputs[$0] == .row && across(inputs[$0]) }
    let acrossOutputs = outputs.indices.filter { plan.outputs[$0].kind == .row && across(outputs[$0]) }
    if acrossInputs.isEmpty && acrossOutputs.isEmpty {
      body(inputs, outputs)
      return
    }
    let byteCount = { (elements: Elements) in (elements.layout.elementCount * computeClass.byteCount + 63) & ~63 }
    let total = acrossInputs.reduce(0) { $0 + byteCount(inputs[$1]) } + acrossOutputs.reduce(0) { $0 + byteCount(outputs[$1]) }
    Scratch.withBytes(total) { memory in
      var (inputs, dense) = (inputs, outputs)
      var at = memory
      let make = { (elements: Elements) in
        defer { at += byteCount(elements) }
        return Elements(at, Layout(elements.layout.shape), computeClass.dtype)
      }
      for i in acrossInputs {
        let copy = make(inputs[i])
        Interpreter.run(identity, in: computeClass, inputs[i], into: copy)
        inputs[i] = copy
      }
      for k in acrossOutputs { dense[k] = make(outputs[k]) }
      body(inputs, dense)
      for k in acrossOutputs { Interpreter.run(identity, in: computeClass, dense[k], into: outputs[k]) }
    }
  }
}
