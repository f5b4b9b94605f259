#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Releases graphs iteratively: a long chain of nodes that release each other would overflow the stack.
enum Dismantling {
  private typealias Held = (edges: Few<Edge>, saved: Few<SavedTensor>)

  /// What is still to be given up on this thread, while it takes a graph apart.
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  /// Gives up what a dying node holds, now or after the nodes that are being given up on this thread.
  static func release(_ edges: inout Few<Edge>, _ saved: inout Few<SavedTensor>) {
    if saved.count == 0 && !edges.holdsAlone { return }
    if let known = pthread_getspecific(key) {
      known.assumingMemoryBound(to: [Held].self).pointee.append((edges, saved))
      edges = Few()
      saved = Few()
      return
    }
    let pending = UnsafeMutablePointer<[Held]>.allocate(capacity: 1)
    pending.initialize(to: [(edges, saved)])
    pthread_setspecific(key, pending)
    edges = Few()
    saved = Few()
    while pending.pointee.popLast() != nil {}
    pthread_setspecific(key, nil)
    pending.deinitialize(count: 1)
    pending.deallocate()
  }
}

extension Few where Element == Edge {
  /// Releasing this list may release a node.
  fileprivate var holdsAlone: Bool {
    mutating get {
      if count > 3 { return true }
      return Few.isAlone(&first) || Few.isAlone(&second) || Few.isAlone(&third)
    }
  }

  private static func isAlone(_ edge: inout Edge?) -> Bool { edge != nil && isKnownUniquelyReferenced(&edge!.node) }
}
