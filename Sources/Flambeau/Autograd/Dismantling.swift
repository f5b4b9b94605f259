/// Releases graphs iteratively: a long chain of nodes that release each other would overflow the stack.
enum Dismantling {
  /// What is still to be given up on a thread, while it takes a graph apart.
  private struct Pending {
    var isTaken = false
    var held: [(edges: Edges, saved: SavedValues)] = []
  }

  private static let threads = ThreadLocal { Pending() }

  /// Gives up what a dying node holds, now or after the nodes that are being given up on this thread.
  @inline(__always)
  static func release(_ edges: inout Edges, _ saved: inout SavedValues) {
    if saved.count != 0 || edges.holdsAlone { takeApart(&edges, &saved) }
  }

  private static func takeApart(_ edges: inout Edges, _ saved: inout SavedValues) {
    let pending = threads.current
    pending.pointee.held.append((edges, saved))
    edges = Edges()
    saved = SavedValues()
    if pending.pointee.isTaken { return }
    pending.pointee.isTaken = true
    while pending.pointee.held.popLast() != nil {}
    pending.pointee = Pending()
  }
}
