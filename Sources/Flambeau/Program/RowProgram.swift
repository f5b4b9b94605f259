import CKernels

/// A function of rows: scalar steps, and sums and maxima along the last dimension, run while the row is in cache.
///
/// It is not differentiated symbolically: each comes with the program of its gradient (see RowPrograms.swift).
final class RowProgram: Sendable {
  enum Input: Sendable, Hashable {
    /// A value for every element; one row for all rows has a row stride of 0.
    case row
    /// A value for every row.
    case number
    /// A position in the row, for every row.
    case index
  }

  enum Output: Sendable {
    /// A value for every element.
    case row(Scalar)
    /// A value for every element; `plus`, one for each row, is added at the position that index input `at` names, if
    /// the row has it.
    case patched(Scalar, plus: Scalar, at: Int)
    /// A value for every row.
    case number(Scalar)
    /// The sum over all rows: a value for every column.
    case columnSum(Scalar)
  }

  /// A step of the program: a primitive, or something that looks at the whole row.
  enum Instruction: Sendable, Hashable {
    case map(Program.Instruction)
    case fold(fb_reduction, Program.Operand)
    case pick(input: Int, index: Int)

    var operands: [Program.Operand] {
      switch self {
      case .map(let step): step.operands
      case .fold(_, let operand): [operand]
      case .pick(let input, _): [.input(input)]
      }
    }
  }

  enum CodeOutput: Sendable, Hashable {
    case row(Program.Operand)
    case patched(Program.Operand, plus: Program.Operand, at: Int)
    case number(Program.Operand)
    case columnSum(Program.Operand)
  }

  /// The run-time scalar after the program's own is the row's length.
  struct Code: Sendable {
    let inputs: [Input]
    let scalarCount: Int
    let instructions: [Instruction]
    let outputs: [CodeOutput]
  }

  /// The kernel that computes the whole program.
  struct Kernel: Sendable {
    let kind: fb_row_kernel
    /// Which input, or output, of the program each of the kernel's is; nil: it is not there.
    let inputs: [Int?]
    let outputs: [Int?]

    init(_ kind: fb_row_kernel, _ inputs: [Int?], _ outputs: [Int?]) {
      (self.kind, self.inputs, self.outputs) = (kind, inputs, outputs)
    }
  }

  let code: Code
  private let planFloat32: RowPlan
  private let planFloat64: RowPlan

  /// `body` gets the inputs, the scalars and the row's length. A `kernel` computes the same; its only scalar is ε.
  init(
    _ inputs: [Input], scalars: Int = 0, kernel: Kernel? = nil,
    _ body: (_ x: [Scalar], _ s: [Scalar], _ width: Scalar) -> [Output]
  ) {
    precondition(scalars < Scalars.capacity, "the row's length takes one scalar")
    let x = inputs.indices.map { Scalar.input($0) }
    let s = (0..<scalars).map { Scalar.scalar($0) }
    var builder = Builder()
    let outputs: [CodeOutput] = body(x, s, .scalar(scalars)).map { output in
      switch output {
      case .row(let value): .row(builder.operand(value))
      case .patched(let value, let plus, let at): .patched(builder.operand(value), plus: builder.operand(plus), at: at)
      case .number(let value): .number(builder.operand(value))
      case .columnSum(let value): .columnSum(builder.operand(value))
      }
    }
    code = Code(inputs: inputs, scalarCount: scalars, instructions: builder.instructions, outputs: outputs)
    planFloat32 = RowPlan(code, in: fb_f32, kernel: kernel)
    planFloat64 = RowPlan(code, in: fb_f64, kernel: kernel)
  }

  private init(_ code: Code) {
    self.code = code
    planFloat32 = RowPlan(code, in: fb_f32, kernel: nil)
    planFloat64 = RowPlan(code, in: fb_f64, kernel: nil)
  }

  /// The same program, run step by step: what its kernel is held against.
  var withoutKernel: RowProgram { RowProgram(code) }

  /// Row programs compute in float32 and float64.
  func plan(in computeClass: ComputeClass) -> RowPlan {
    precondition(computeClass != fb_i64, "row programs compute in floating point")
    return computeClass == fb_f32 ? planFloat32 : planFloat64
  }

  /// Lays expressions out as instructions; equal ones become one.
  struct Builder {
    private(set) var instructions: [Instruction] = []
    private var known: [Instruction: Int] = [:]
    private var visited: [ObjectIdentifier: Program.Operand] = [:]

    mutating func operand(_ scalar: Scalar) -> Program.Operand {
      if let operand = visited[ObjectIdentifier(scalar.node)] { return operand }
      let operand: Program.Operand
      switch scalar.node.kind {
      case .operand(let leaf): operand = leaf
      case .apply(let primitive, let a, let b, let c):
        operand = append(
          .map(.init(primitive, self.operand(a), b.map { self.operand($0) }, c.map { self.operand($0) })))
      case .fold(let reduction, let x): operand = append(.fold(reduction, self.operand(x)))
      case .pick(let input, let index): operand = append(.pick(input: input, index: index))
      }
      visited[ObjectIdentifier(scalar.node)] = operand
      return operand
    }

    private mutating func append(_ instruction: Instruction) -> Program.Operand {
      if let index = known[instruction] { return .result(index) }
      known[instruction] = instructions.count
      instructions.append(instruction)
      return .result(instructions.count - 1)
    }
  }
}

/// The sum over the row.
func rowSum(_ x: Scalar) -> Scalar { .fold(fb_reduce_sum, x) }
/// The largest of the row; NaN if there is one.
func rowMax(_ x: Scalar) -> Scalar { .fold(fb_reduce_max, x) }
