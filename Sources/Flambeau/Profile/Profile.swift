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
    /// An event around this one has its name.
    fileprivate(set) var isInItself = false
  }

  /// In the order in which they began.
  public let events: [Event]
  /// How long the body took.
  public let duration: Duration

  init(_ records: [Profiler.Record], from start: UInt64, to end: UInt64) {
    duration = .nanoseconds(Int64(end - start))
    // An event that holds another began no later and, if at the same tick, ends later.
    let order = records.indices.sorted {
      let (a, b) = (records[$0], records[$1])
      return a.start != b.start ? a.start < b.start : a.end != b.end ? a.end > b.end : $0 > $1
    }
    var threads: [UInt: Int] = [:]
    var open: [[Int]] = []
    var ends: [UInt64] = []
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
      open[thread].append(events.count)
      ends.append(record.end)
      events.append(event)
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
  }

  /// Events put together by name and, by default, by operands; those that took longest themselves first. Torch's `key_averages`.
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
    }
    return entries.sorted { $0.own > $1.own }
  }
}
