import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The kernel table of the instruction set in use: the machine's best, or what `FLAMBEAU_ISA` asks for.
enum Kernels {
  /// Written once, before anything can read it, and never freed.
  nonisolated(unsafe) static let table: UnsafePointer<fb_table> = chosen()

  /// The instruction sets' names, as `FLAMBEAU_ISA` takes them, from the one every machine has upwards.
  static let instructionSets: [(name: String, isa: fb_isa)] = [
    ("baseline", fb_isa_baseline), ("avx2", fb_isa_avx2), ("avx512", fb_isa_avx512),
  ]

  /// The table of an instruction set; nil where this machine or this build lacks it.
  static func table(for isa: fb_isa) -> UnsafePointer<fb_table>? { fb_kernels(isa) }

  /// The name of the instruction set in use.
  static var instructionSet: String { instructionSets.first { $0.isa == table.pointee.isa }!.name }

  private static func chosen() -> UnsafePointer<fb_table> {
    guard let value = getenv("FLAMBEAU_ISA") else { return fb_kernels(fb_best_isa()) }
    let name = String(cString: value)
    guard let isa = instructionSets.first(where: { $0.name == name })?.isa else {
      let names = instructionSets.map(\.name).joined(separator: ", ")
      fatalError("FLAMBEAU_ISA is \(name), which is no instruction set Flambeau knows: it is one of \(names).")
    }
    guard let table = fb_kernels(isa) else {
      fatalError("FLAMBEAU_ISA is \(name), which this machine does not have.")
    }
    return table
  }
}

extension Kernels {
  /// The loop of a primitive in a compute class; nil where it has no meaning there.
  static func map(_ primitive: fb_primitive, _ computeClass: fb_class) -> fb_map? {
    fb_table_map(table, computeClass, primitive)
  }

  /// The loop that brings elements of a dtype into a compute class.
  static func load(_ dtype: DType, _ computeClass: fb_class) -> fb_load {
    fb_table_load(table, computeClass, dtype.kernelType)
  }

  /// The loop that brings values of a compute class back to a dtype.
  static func store(_ dtype: DType, _ computeClass: fb_class) -> fb_store {
    fb_table_store(table, computeClass, dtype.kernelType)
  }

  /// The reduction of a dense block in a compute class.
  static func reduce(_ reduction: fb_reduction, _ computeClass: fb_class) -> fb_reduce {
    fb_table_reduce(table, computeClass, reduction)
  }

  static func dot(_ computeClass: fb_class) -> fb_dot { fb_table_dot(table, computeClass) }
  static func argmin(_ computeClass: fb_class) -> fb_arg { fb_table_argmin(table, computeClass) }
  static func argmax(_ computeClass: fb_class) -> fb_arg { fb_table_argmax(table, computeClass) }

  /// exp(a − shift) of a row and its sum; float32 and float64 only.
  static func expSum(_ computeClass: fb_class) -> fb_exp_sum? { fb_table_exp_sum(table, computeClass) }

  /// The maximum of a row and Σ exp(a − maximum); float32 and float64 only.
  static func maxExpSum(_ computeClass: fb_class) -> fb_max_exp_sum? { fb_table_max_exp_sum(table, computeClass) }

  /// Elements of a dtype set to one value.
  static func fill(_ dtype: DType) -> fb_fill { fb_table_fill(table, dtype.byteCountLogarithm) }

  /// Elements of a dtype copied from rows to columns.
  static func transpose(_ dtype: DType) -> fb_transpose { fb_table_transpose(table, dtype.byteCountLogarithm) }

  static var streamCopy: fb_stream_copy { table.pointee.stream_copy }
}

extension DType {
  var kernelType: fb_dtype { fb_dtype(rawValue: UInt32(rawValue)) }
  fileprivate var byteCountLogarithm: Int32 { Int32(byteCount.trailingZeroBitCount) }
}

/// The instruction set the CPU kernels were chosen for: `baseline`, `avx2` or `avx512`. FLAMBEAU_ISA overrides it.
public var instructionSet: String { Kernels.instructionSet }
