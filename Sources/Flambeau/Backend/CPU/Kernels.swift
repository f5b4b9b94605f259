import CKernels
enum Kernels {
  nonisolated(unsafe) static let table: UnsafePointer<fb_table> = fb_kernels(fb_best_isa())!
  static func map(_ c: fb_class, _ p: fb_primitive) -> fb_map? {
    let base = UnsafeRawPointer(table) + MemoryLayout<fb_table>.offset(of: \.map)!
    return base.assumingMemoryBound(to: fb_map?.self)[Int(c.rawValue) * Int(fb_primitive_count.rawValue) + Int(p.rawValue)]
  }
  static func load(_ c: fb_class, _ d: DType) -> fb_load {
    let base = UnsafeRawPointer(table) + MemoryLayout<fb_table>.offset(of: \.load)!
    return base.assumingMemoryBound(to: fb_load.self)[Int(c.rawValue) * Int(fb_dtype_count.rawValue) + Int(d.rawValue)]
  }
  static func store(_ c: fb_class, _ d: DType) -> fb_store {
    let base = UnsafeRawPointer(table) + MemoryLayout<fb_table>.offset(of: \.store)!
    return base.assumingMemoryBound(to: fb_store.self)[Int(c.rawValue) * Int(fb_dtype_count.rawValue) + Int(d.rawValue)]
  }
}
