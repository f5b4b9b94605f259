/// The backward pass: walks nodes from the newest to the oldest, so each is reached when all its gradients are.
struct Engine {
  private var queue = NodeQueue()
  /// Where in `leaves` each accumulator is that something has arrived at.
  private var leafPlaces: [ObjectIdentifier: Int] = [:]
  private var leaves: [(accumulator: GradientAccumulator, gradient: Tensor?)] = []
  /// The results whose gradients are asked for, by edge; nil to accumulate into leaves.
  private var wanted: [WantedKey: Int]?
  private var found: [Tensor?] = []
  /// The nodes on a way to what is wanted; nil where all are.
  private var onTheWay: Set<ObjectIdentifier>?
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
    engine.onTheWay = nodes(from: roots.map(\.0.node), to: edges.map(\.node))
    try engine.run(roots, retainGraph: retainGraph, createGraph: createGraph)
    // Repeated edges share one gradient.
    return edges.map { engine.found[wanted[WantedKey(node: ObjectIdentifier($0.node), index: $0.index)]!] }
  }

  /// The nodes that lead from `roots` to one of `wanted`, both included.
  private static func nodes(from roots: [Node], to wanted: [Node]) -> Set<ObjectIdentifier> {
    let oldest = wanted.map(\.sequence).min() ?? .max
    var known: Set<ObjectIdentifier> = []
    var nodes: [Node] = []
    func reach(_ node: Node) {
      if node.sequence >= oldest && !node.isLeaf && known.insert(ObjectIdentifier(node)).inserted { nodes.append(node) }
    }
    roots.forEach(reach)
    var next = 0
    while next < nodes.count {
      for i in 0..<nodes[next].edges.count { nodes[next].edges[i].map { reach($0.node) } }
      next += 1
    }
    var leading = Set(wanted.map(ObjectIdentifier.init))
    // Each after what it reads.
    for node in nodes.sorted(by: { $0.sequence < $1.sequence }) {
      let leads = (0..<node.edges.count).contains { i in
        node.edges[i].map { leading.contains(ObjectIdentifier($0.node)) } ?? false
      }
      if leads { leading.insert(ObjectIdentifier(node)) }
    }
    return leading
  }

  private func isOnTheWay(_ node: Node) -> Bool { onTheWay?.contains(ObjectIdentifier(node)) ?? true }

  private mutating func run(_ roots: [(Edge, Tensor)], retainGraph: Bool, createGraph: Bool) throws(TensorError) {
    let context = Context.current.withoutAutocast.with(gradEnabled: createGraph)
    watch = context.watch
    let profiler = context.profiler
    let span = profiler?.begin(.function("backward"))
    for (edge, gradient) in roots { arrive(gradient, at: edge) }
    try BackwardPass.attempt(context) { () throws(TensorError) in
      while let (node, gradients) = queue.pop() {
        if context.isFailed { return }
        let visited = profiler?.begin(node.label)
        try visit(node, gradients, retainGraph: retainGraph)
        visited?.end()
      }
      for i in leaves.indices where !context.isFailed { try visitLeaf(i) }
    }
    span?.end()
  }

  private mutating func visit(_ node: Node, _ arrived: consuming Few<Tensor>, retainGraph: Bool) throws(TensorError) {
    var gradients = arrived
    for hook in node.hooks {
      if let gradient = gradients[hook.resultIndex] { gradients[hook.resultIndex] = try hook.changed(gradient) }
    }
    if let wanted {
      for i in 0..<gradients.count {
        if let slot = wanted[WantedKey(node: ObjectIdentifier(node), index: i)] { found[slot] = gradients[i] }
      }
    }
    if addInPlace(gradients[0], through: node) { return }
    let asked = onTheWay == nil ? OperandSet.all : operandsOnTheWay(of: node)
    if asked.isEmpty { return }
    let passed = try node.whileVisited { () throws(TensorError) in
      let outer = (node.isInLastPass, node.asked)
      (node.isInLastPass, node.asked) = (!retainGraph, asked)
      defer { (node.isInLastPass, node.asked) = outer }
      let passed = try derivative(of: node, gradients)
      if !retainGraph { node.releaseSaved() }
      return passed
    }
    for i in 0..<passed.count {
      if let gradient = passed[i], let edge = node.edges[i] { arrive(gradient, at: edge) }
    }
  }

  private func operandsOnTheWay(of node: Node) -> OperandSet {
    var operands: OperandSet = []
    for i in 0..<node.edges.count {
      if let edge = node.edges[i], isOnTheWay(edge.node) { operands.insert(.operand(i)) }
    }
    return operands
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

  /// Adds the gradient of a view of some elements to what has arrived for the whole, where that can be.
  private mutating func addInPlace(_ gradient: Tensor?, through node: Node) -> Bool {
    guard node.selectsElements, watch == nil, !Context.current.records, let gradient, let edge = node.edges[0],
      !edge.node.isLeaf
    else { return false }
    return queue.addInPlace(gradient, through: node, to: edge)
  }

  private mutating func visitLeaf(_ place: Int) throws(TensorError) {
    let accumulator = leaves[place].accumulator
    for hook in accumulator.hooks {
      leaves[place].gradient = try hook.changed(leaves[place].gradient!)
    }
    if let slot = wanted?[WantedKey(node: ObjectIdentifier(accumulator), index: 0)] { found[slot] = leaves[place].gradient }
  }

  private mutating func arrive(_ gradient: Tensor, at edge: Edge) {
    guard isOnTheWay(edge.node) else { return }
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
      for i in leaves.indices { leaves[i].accumulator.whileAdding { add(i, createGraph: createGraph) } }
    }
  }

  private mutating func add(_ place: Int, createGraph: Bool) {
    let accumulator = leaves[place].accumulator
    if createGraph {
      let gradient = leaves[place].gradient!
      accumulator.gradient = accumulator.gradient.map { $0 + gradient } ?? gradient
    } else if let sum = accumulator.gradient {
      // A parameter may have been moved since the graph was recorded.
      let gradient = leaves[place].gradient!.to(sum.device)
      if sum.requiresGrad {
        accumulator.gradient = (sum + gradient).detach()
      } else {
        sum.add_(gradient)
      }
    } else {
      accumulator.gradient = leaves[place].gradient.take()!.owned()
    }
  }
}

extension Tensor {
  /// The elements in dense memory that no other tensor sees: their own where that is so, else a copy.
  fileprivate consuming func owned() -> Tensor {
    var tensor = self
    return tensor.isAlone() ? tensor.detach() : tensor.clone().detach()
  }

  /// Nothing else sees the elements, which are dense.
  fileprivate mutating func isAlone() -> Bool {
    isKnownUniquelyReferenced(&body) && isKnownUniquelyReferenced(&body.storage) && !body.storage.isForeign && body.layout.isDense
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

  /// False where nothing has arrived yet, or somebody else sees it.
  mutating func addInPlace(_ gradient: Tensor, through node: Node, to edge: Edge) -> Bool {
    let place = position(of: edge.node.sequence)
    guard place > 0, order[place - 1].sequence == edge.node.sequence else { return false }
    let task = order[place - 1].task
    guard var sum = tasks[task].gradients.take(edge.index) else { return false }
    let fits = sum.dtype == gradient.dtype && sum.isAlone()
    if fits { node.part(of: sum).add_(gradient) }
    tasks[task].gradients[edge.index] = consume sum
    return fits
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
