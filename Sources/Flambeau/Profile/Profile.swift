/// What ``profile(_:)`` saw. Printed, it is a table; ``chromeTrace`` is the same on a time line.
public struct Profile: Sendable {
  /// One call of an operation, one node's part of a backward pass, or one ``recordFunction(_:_:)``.
  public struct Event: Sendable {
    /// Torch's name; that of a node ends in `Backward`, that of a write in `_`.
    public let name: String
    /// The operands as `float32 [2, 3], float32 [3]`.
    public let operands: String
    /// Threads are numbered as they first appear.
    public let thread: Int
    /// Since the profile began.
    public let start: Duration
    /// How long it took.
    public let duration: Duration
    /// Without the events inside.
    public fileprivate(set) var own: Duration
    /// The bytes of the operands and the results, each once; 0 for a view, and for a call that is made of other events.
    public fileprivate(set) var byteCount: Int
    /// The multiplications and additions of matrix products and convolutions, as their definition counts them, without those of
    /// the events inside. Other operations are bound by memory, and count none.
    public fileprivate(set) var operations: Double
    /// How long GPUs worked at what it queued, events inside left out; they may have done so after it ended.
    public fileprivate(set) var gpu = Duration.zero
    /// An event around this one has its name.
    fileprivate(set) var isInItself = false
  }

  /// A kernel, a copy or a library's product on a GPU.
  public struct Kernel: Sendable {
    /// Of the function; the end of a kernel's is a hash of its source.
    public let name: String
    /// The name of the event that queued it; empty if none did.
    public let operation: String
    /// Since the first kernel of the profile began on its GPU.
    public let start: Duration
    /// How long it ran, with what a launch takes on the GPU.
    public let duration: Duration
  }

  /// In the order in which they began.
  public let events: [Event]
  /// In the order in which they were queued, those of CUDA graphs left out.
  public let kernels: [Kernel]
  /// How long the body took.
  public let duration: Duration

  init(_ records: [Profiler.Record], _ marks: [GPUMark], from start: UInt64, to end: UInt64) {
    duration = .nanoseconds(Int64(end - start))
    // An event that holds another began no later and, if at the same tick, ends later.
    let order = records.indices.sorted {
      let (a, b) = (records[$0], records[$1])
      return a.start != b.start ? a.start < b.start : a.end != b.end ? a.end > b.end : $0 > $1
    }
    var threads: [UInt: Int] = [:]
    var open: [[Int]] = []
    var ends: [UInt64] = []
    var parents: [Int?] = []
    var texts: [[Profiler.Operand]: String] = [:]
    var events: [Event] = []
    events.reserveCapacity(records.count)
    for index in order {
      let record = records[index]
      let thread = threads[record.thread] ?? threads.count
      if thread == open.count {
        threads[record.thread] = thread
        open.append([])
      }
      while let last = open[thread].last, ends[last] < record.end || ends[last] <= record.start { open[thread].removeLast() }
      let duration = Duration.nanoseconds(Int64(record.end - record.start))
      let name = record.label.name
      if let parent = open[thread].last {
        events[parent].own -= duration
        events[parent].operations -= record.operations
        events[parent].byteCount = 0
      }
      let text = texts[record.operands] ?? record.operands.map { "\($0.dtype) \($0.shape)" }.joined(separator: ", ")
      texts[record.operands] = text
      var event = Event(
        name: name, operands: text, thread: thread, start: .nanoseconds(Int64(record.start - start)), duration: duration,
        own: duration, byteCount: record.byteCount, operations: record.operations)
      event.isInItself = open[thread].contains { events[$0].name == name }
      parents.append(open[thread].last)
      open[thread].append(events.count)
      ends.append(record.end)
      events.append(event)
    }
    kernels = marks.compactMap { mark in
      guard let (begun, taken) = mark.milliseconds(since: marks[0]) else { return nil }
      let duration = Duration.nanoseconds(Int64(taken * 1e6))
      // The last event that had begun, or one around it.
      var place = threads[mark.thread].flatMap { thread in
        events.indices.last { events[$0].thread == thread && records[order[$0]].start <= mark.time }
      }
      while let inner = place, ends[inner] < mark.time { place = parents[inner] }
      if let place { events[place].gpu += duration }
      return Kernel(
        name: mark.work, operation: place.map { events[$0].name } ?? "", start: .nanoseconds(Int64(begun * 1e6)),
        duration: duration)
    }
    self.events = events
  }
}

extension Profile {
  /// All events of one name and, if asked, one list of operands.
  public struct Entry: Sendable {
    /// Its name.
    public let name: String
    /// Empty where events of all operands are together.
    public let operands: String
    /// How often it was called.
    public fileprivate(set) var calls = 0
    /// With the events inside; an event inside one of its own name counts once.
    public fileprivate(set) var total = Duration.zero
    /// Without the events inside.
    public fileprivate(set) var own = Duration.zero
    /// Bytes read and written.
    public fileprivate(set) var byteCount = 0
    /// Floating-point operations.
    public fileprivate(set) var operations = 0.0
    /// How long GPUs worked at it, without the events inside.
    public fileprivate(set) var gpu = Duration.zero
  }

  /// Events put together by name and, by default, by operands; those that took longest themselves first, on the
  /// GPU if there was work for one. Torch's `key_averages`.
  public func entries(byOperands: Bool = true) -> [Entry] {
    struct Key: Hashable { let name, operands: String }
    var places: [Key: Int] = [:]
    var entries: [Entry] = []
    for event in events {
      let key = Key(name: event.name, operands: byOperands ? event.operands : "")
      let place = places[key] ?? entries.count
      if place == entries.count {
        places[key] = place
        entries.append(Entry(name: key.name, operands: key.operands))
      }
      entries[place].calls += 1
      if !event.isInItself { entries[place].total += event.duration }
      entries[place].own += event.own
      entries[place].byteCount += event.byteCount
      entries[place].operations += event.operations
      entries[place].gpu += event.gpu
    }
    return entries.sorted { kernels.isEmpty ? $0.own > $1.own : ($0.gpu, $0.own) > ($1.gpu, $1.own) }
  }
}
