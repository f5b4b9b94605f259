/// The backward pass: walks nodes from the newest to the oldest, so each is reached when all its gradients are.
struct Engine {
  private var queue = NodeQueue()
  /// Where in `leaves` each accumulator is that something has arrived at.
  private var leafPlaces: [ObjectIdentifier: Int] = [:]
  private var leaves: [(accumulator: GradientAccumulator, gradient: Tensor?)] = []
  /// The results whose gradients are asked for, by edge; nil to accumulate into leaves.
  private var wanted: [WantedKey: Int]?
  private var found: [Tensor?] = []
  private var watch: GraphWatch?

  private struct WantedKey: Hashable {
    let node: ObjectIdentifier
    let index: Int
  }

  /// Adds gradients to `.grad` of every leaf that the roots reach.
  static func backward(
    _ roots: [(Edge, Tensor)], retainGraph: Bool, createGraph: Bool
  ) throws(TensorError) {
    var engine = Engine()
    try engine.run(roots, retainGraph: retainGraph, createGraph: createGraph)
    engine.store(createGraph: createGraph)
  }

  /// The gradients at `edges`, nil where the roots do not depend on them; `.grad` stays as it is.
  static func gradients(
    _ roots: [(Edge, Tensor)], at edges: [Edge], retainGraph: Bool, createGraph: Bool
  ) throws(TensorError) -> [Tensor?] {
    var engine = Engine()
    engine.found = Array(repeating: nil, count: edges.count)
    var wanted: [WantedKey: Int] = [:]
    for (i, edge) in edges.enumerated() {
      wanted[WantedKey(node: ObjectIdentifier(edge.node), index: edge.index)] = i
    }
    engine.wanted = wanted
    try engine.run(roots, retainGraph: retainGraph, createGraph: createGraph)
    // Repeated edges share one gradient.
    return edges.map { engine.found[wanted[WantedKey(node: ObjectIdentifier($0.node), index: $0.index)]!] }
  }

  private mutating func run(_ roots: [(Edge, Tensor)], retainGraph: Bool, createGraph: Bool) throws(TensorError) {
    let context = Context.current.with(gradEnabled: createGraph)
    watch = context.watch
    for (edge, gradient) in roots { arrive(gradient, at: edge) }
    try Context.attempt(context) { () throws(TensorError) in
      while let (node, gradients) = queue.pop() {
        if context.isFailed { return }
        try visit(node, gradients, retainGraph: retainGraph)
      }
      for i in leaves.indices where !context.isFailed { visitLeaf(i) }
    }
  }

  private mutating func visit(_ node: Node, _ arrived: consuming Few<Tensor>, retainGraph: Bool) throws(TensorError) {
    var gradients = arrived
    for hook in node.hooks {
      if let gradient = gradients[hook.resultIndex], let changed = hook.body(gradient) {
        gradients[hook.resultIndex] = changed
      }
    }
    if let wanted {
      for i in 0..<gradients.count {
        if let slot = wanted[WantedKey(node: ObjectIdentifier(node), index: i)] { found[slot] = gradients[i] }
      }
    }
    node.isInLastPass = !retainGraph
    let passed = try derivative(of: node, gradients)
    if !retainGraph { node.releaseSaved() }
    for i in 0..<passed.count {
      if let gradient = passed[i], let edge = node.edges[i] { arrive(gradient, at: edge) }
    }
  }

  private func derivative(of node: Node, _ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    do throws(TensorError) {
      let passed = try node.backward(gradients)
      if let watch { try watch.check(passed, of: node) }
      return passed
    } catch {
      throw node.record?.locating(error) ?? error
    }
  }

  private mutating func visitLeaf(_ place: Int) {
    let accumulator = leaves[place].accumulator
    for hook in accumulator.hooks {
      if let changed = hook.body(leaves[place].gradient!) { leaves[place].gradient = changed }
    }
    if let slot = wanted?[WantedKey(node: ObjectIdentifier(accumulator), index: 0)] { found[slot] = leaves[place].gradient }
  }

  private mutating func arrive(_ gradient: Tensor, at edge: Edge) {
    if !edge.node.isLeaf {
      queue.add(gradient, to: edge)
    } else if let place = leafPlaces[ObjectIdentifier(edge.node)] {
      // Nobody else holds it while it is taken out, so the sum may take its memory.
      let known = leaves[place].gradient.take()!
      leaves[place].gradient = (consume known) + gradient
    } else {
      leafPlaces[ObjectIdentifier(edge.node)] = leaves.count
      leaves.append((unsafeDowncast(edge.node, to: GradientAccumulator.self), gradient))
    }
  }

  /// Writes what arrived at the leaves, after the whole pass has succeeded.
  private mutating func store(createGraph: Bool) {
    if leaves.isEmpty || Context.current.isFailed { return }
    Context.run(Context.current.with(gradEnabled: createGraph)) {
      for i in leaves.indices {
        let accumulator = leaves[i].accumulator
        if createGraph {
          let gradient = leaves[i].gradient!
          accumulator.gradient = accumulator.gradient.map { $0 + gradient } ?? gradient
        } else if let sum = accumulator.gradient {
          if sum.requiresGrad {
            accumulator.gradient = (sum + leaves[i].gradient!).detach()
          } else {
            sum.add_(leaves[i].gradient!)
          }
        } else {
          accumulator.gradient = leaves[i].gradient.take()!.owned()
        }
      }
    }
  }
}

extension Tensor {
  /// The elements in dense memory that no other tensor sees: their own where that is so, else a copy.
  fileprivate consuming func owned() -> Tensor {
    var alone = self
    let isAlone = isKnownUniquelyReferenced(&alone.body) && isKnownUniquelyReferenced(&alone.body.storage)
    return isAlone && alone.body.storage.isOwned && alone.body.layout.isDense ? alone.detach() : alone.clone().detach()
  }
}

/// The nodes that gradients have arrived at, ordered by their number, with those gradients.
///
/// The newest is taken first, and what it passes on arrives at older ones, mostly the newest of those: the search from the
/// end is short, and takes no hash.
private struct NodeQueue {
  private struct Place {
    let sequence: UInt64
    let task: Int
  }

  private struct Task {
    var node: Node?
    var gradients: Few<Tensor>
  }

  /// By rising number.
  private var order: [Place] = []
  private var tasks: [Task] = []
  private var free: [Int] = []

  mutating func add(_ gradient: Tensor, to edge: Edge) {
    let sequence = edge.node.sequence
    let place = position(of: sequence)
    if place > 0 && order[place - 1].sequence == sequence {
      let task = order[place - 1].task
      // Nobody else holds it while it is taken out, so the sum may take its memory.
      if let known = tasks[task].gradients.take(edge.index) {
        tasks[task].gradients[edge.index] = (consume known) + gradient
      } else {
        tasks[task].gradients[edge.index] = gradient
      }
      return
    }
    var gradients = Few<Tensor>(count: edge.node.resultCount)
    gradients[edge.index] = gradient
    let task = free.popLast() ?? tasks.count
    if task == tasks.count {
      tasks.append(Task(node: edge.node, gradients: gradients))
    } else {
      tasks[task] = Task(node: edge.node, gradients: gradients)
    }
    order.insert(Place(sequence: sequence, task: task), at: place)
  }

  mutating func pop() -> (Node, Few<Tensor>)? {
    guard let last = order.popLast() else { return nil }
    free.append(last.task)
    let node = tasks[last.task].node.take()!
    return (node, tasks[last.task].gradients.takeAll())
  }

  /// Behind all numbers up to `sequence`.
  private func position(of sequence: UInt64) -> Int {
    var (low, high) = (0, order.count)
    // Near the end first.
    var step = 1
    while high - step >= 0 && order[high - step].sequence > sequence { (high, step) = (high - step, 2 * step) }
    low = Swift.max(high - step, 0)
    while low < high {
      let middle = (low + high) / 2
      if order[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
