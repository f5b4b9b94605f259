import CKernels

// Rows of the kernel table, which C's fixed arrays show to Swift as tuples too long to index.
extension fb_primitive {
  func kernel(in computeClass: ComputeClass) -> fb_map? {
    KernelAccess.map[Int(computeClass.rawValue) * Int(fb_primitive_count.rawValue) + Int(rawValue)]
  }

  func exists(in computeClass: ComputeClass) -> Bool { kernel(in: computeClass) != nil }
}

extension fb_class {
  func load(_ dtype: DType) -> fb_load {
    KernelAccess.load[Int(rawValue) * Int(fb_dtype_count.rawValue) + Int(dtype.rawValue)]!
  }

  func store(_ dtype: DType) -> fb_store {
    KernelAccess.store[Int(rawValue) * Int(fb_dtype_count.rawValue) + Int(dtype.rawValue)]!
  }

  func reduce(_ reduction: fb_reduction) -> fb_reduce {
    KernelAccess.reduce[Int(rawValue) * Int(fb_reduction_count.rawValue) + Int(reduction.rawValue)]!
  }

  func reduceRows(_ reduction: fb_reduction) -> fb_reduce_rows {
    KernelAccess.reduceRows[Int(rawValue) * Int(fb_reduction_count.rawValue) + Int(reduction.rawValue)]!
  }

  func foldRows(_ reduction: fb_reduction) -> fb_fold_rows {
    KernelAccess.foldRows[Int(rawValue) * Int(fb_reduction_count.rawValue) + Int(reduction.rawValue)]!
  }

  func rows(_ kernel: fb_row_kernel) -> fb_row_function {
    KernelAccess.rows[Int(rawValue) * Int(fb_row_kernel_count.rawValue) + Int(kernel.rawValue)]!
  }
}

extension fb_rule {
  /// The step over elements of `dtype`, which is a floating-point dtype.
  func step(_ dtype: DType) -> fb_step { KernelAccess.steps[Int(dtype.rawValue) * Int(fb_rule_count.rawValue) + Int(rawValue)]! }
}

/// Parts of the table in use, which nobody writes to.
enum KernelAccess {
  nonisolated(unsafe) fileprivate static let map: UnsafePointer<fb_map?> = column(\.map)
  nonisolated(unsafe) fileprivate static let load: UnsafePointer<fb_load?> = column(\.load)
  nonisolated(unsafe) fileprivate static let store: UnsafePointer<fb_store?> = column(\.store)
  nonisolated(unsafe) fileprivate static let reduce: UnsafePointer<fb_reduce?> = column(\.reduce)
  nonisolated(unsafe) fileprivate static let reduceRows: UnsafePointer<fb_reduce_rows?> = column(\.reduce_rows)
  nonisolated(unsafe) fileprivate static let foldRows: UnsafePointer<fb_fold_rows?> = column(\.fold_rows)
  nonisolated(unsafe) fileprivate static let rows: UnsafePointer<fb_row_function?> = column(\.rows)
  nonisolated(unsafe) static let dot: UnsafePointer<fb_dot?> = column(\.dot)
  nonisolated(unsafe) static let argmin: UnsafePointer<fb_arg?> = column(\.argmin)
  nonisolated(unsafe) static let argmax: UnsafePointer<fb_arg?> = column(\.argmax)
  nonisolated(unsafe) static let expSum: UnsafePointer<fb_exp_sum?> = column(\.exp_sum)
  nonisolated(unsafe) static let maxExpSum: UnsafePointer<fb_max_exp_sum?> = column(\.max_exp_sum)
  nonisolated(unsafe) static let transpose: UnsafePointer<fb_transpose?> = column(\.transpose)
  nonisolated(unsafe) fileprivate static let steps: UnsafePointer<fb_step?> = column(\.steps)
  nonisolated(unsafe) static let mapDimension: UnsafePointer<fb_map_dimension?> = column(\.map_dimension)
  nonisolated(unsafe) static let groupNorm: UnsafePointer<(@convention(c) (UnsafePointer<fb_group_norm>?) -> Void)?> = column(
    \.group_norm)
  nonisolated(unsafe) static let groupSlope: UnsafePointer<(@convention(c) (UnsafePointer<fb_group_slope>?) -> Void)?> = column(
    \.group_slope)
  nonisolated(unsafe) static let indexRead: UnsafePointer<fb_index_move?> = column(\.index_read)
  nonisolated(unsafe) static let indexWrite: UnsafePointer<fb_index_move?> = column(\.index_write)
  nonisolated(unsafe) static let indexReduce: UnsafePointer<fb_index_move?> = column(\.index_reduce)
  nonisolated(unsafe) static let streamCopy: fb_stream_copy = Kernels.table.pointee.stream_copy!

  private static func column<Field, Entry>(_ field: KeyPath<fb_table, Field>) -> UnsafePointer<Entry> {
    (UnsafeRawPointer(Kernels.table) + MemoryLayout<fb_table>.offset(of: field)!).assumingMemoryBound(to: Entry.self)
  }
}
