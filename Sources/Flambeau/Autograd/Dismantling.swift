#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Releases graphs iteratively: a long chain of nodes that release each other would overflow the stack.
enum Dismantling {
  private typealias Held = (edges: Edges, saved: SavedValues)

  /// What is still to be given up on this thread, while it takes a graph apart.
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  /// Gives up what a dying node holds, now or after the nodes that are being given up on this thread.
  @inline(__always)
  static func release(_ edges: inout Edges, _ saved: inout SavedValues) {
    if saved.count != 0 || edges.holdsAlone { takeApart(&edges, &saved) }
  }

  private static func takeApart(_ edges: inout Edges, _ saved: inout SavedValues) {
    if let known = pthread_getspecific(key) {
      known.assumingMemoryBound(to: [Held].self).pointee.append((edges, saved))
      edges = Edges()
      saved = SavedValues()
      return
    }
    let pending = UnsafeMutablePointer<[Held]>.allocate(capacity: 1)
    pending.initialize(to: [(edges, saved)])
    pthread_setspecific(key, pending)
    edges = Edges()
    saved = SavedValues()
    while pending.pointee.popLast() != nil {}
    pthread_setspecific(key, nil)
    pending.deinitialize(count: 1)
    pending.deallocate()
  }
}
