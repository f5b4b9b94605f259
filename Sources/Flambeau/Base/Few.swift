/// A list whose first three elements need no memory of their own; missing elements are nil.
struct Few<Element> {
  private(set) var count = 0
  var first: Element?
  var second: Element?
  var third: Element?
  private var rest: [Element?]?

  @inline(__always) init() {}

  @inline(__always)
  init(_ a: Element?) {
    first = a
    count = 1
  }

  @inline(__always)
  init(_ a: Element?, _ b: Element?) {
    first = a
    second = b
    count = 2
  }

  @inline(__always)
  init(_ a: Element?, _ b: Element?, _ c: Element?) {
    first = a
    second = b
    third = c
    count = 3
  }

  init(_ elements: some Collection<Element?>) {
    for element in elements { append(element) }
  }

  init(count: Int) {
    self.count = count
    if count > 3 { rest = Array(repeating: nil, count: count - 3) }
  }

  mutating func append(_ element: Element?) {
    count += 1
    if count > 3 { rest = (rest ?? []) + [element] } else { self[count - 1] = element }
  }

  @inline(__always)
  subscript(i: Int) -> Element? {
    get {
      switch i {
      case 0: first
      case 1: second
      case 2: third
      default: rest![i - 3]
      }
    }
    set {
      switch i {
      case 0: first = newValue
      case 1: second = newValue
      case 2: third = newValue
      default: rest![i - 3] = newValue
      }
    }
  }
}

extension Few {
  /// Takes element `i` out.
  mutating func take(_ i: Int) -> Element? {
    switch i {
    case 0: return first.take()
    case 1: return second.take()
    case 2: return third.take()
    default: return rest![i - 3].take()
    }
  }

  /// The list, which is empty afterwards.
  @inline(__always)
  mutating func takeAll() -> Few {
    let all = self
    self = Few()
    return all
  }
}

extension Few: Sendable where Element: Sendable {}

extension Few: Sequence {
  func makeIterator() -> AnyIterator<Element?> {
    var i = 0
    return AnyIterator {
      guard i < count else { return nil }
      defer { i += 1 }
      return self[i]
    }
  }
}
