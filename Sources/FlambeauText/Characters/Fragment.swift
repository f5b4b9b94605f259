/// A piece of text in the hands of a normalizer.
struct Fragment {
  var bytes: [UInt8]
  /// As in `WorkingText`; empty as long as byte `i` is byte `base + i` of the source.
  var starts: [Int32]
  var ends: [Int32]
  let base: Int

  /// Writes down where each byte comes from.
  mutating func align() {
    guard starts.isEmpty, !bytes.isEmpty else { return }
    starts.reserveCapacity(bytes.count)
    ends.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let length = Bytes.length(bytes[index])
      for _ in 0..<length {
        starts.append(Int32(base + index))
        ends.append(Int32(base + index + length))
      }
      index += length
    }
  }

  /// An empty fragment for what replaces this one.
  func successor(capacity: Int? = nil) -> Fragment {
    var fragment = Fragment(bytes: [], starts: [], ends: [], base: base)
    fragment.bytes.reserveCapacity(capacity ?? bytes.count)
    fragment.starts.reserveCapacity(capacity ?? bytes.count)
    fragment.ends.reserveCapacity(capacity ?? bytes.count)
    return fragment
  }

  /// Appends a character that stands for what byte `index` of `other`, which is aligned, stands for.
  @inline(__always)
  mutating func append(_ code: UInt32, from other: Fragment, at index: Int) {
    let before = bytes.count
    bytes.append(character: code)
    let (start, end) = (other.starts[index], other.ends[index])
    for _ in before..<bytes.count {
      starts.append(start)
      ends.append(end)
    }
  }

  /// Appends text that stands for what byte `index` of `other` stands for.
  mutating func append(text: [UInt8], from other: Fragment, at index: Int) {
    bytes += text
    starts += repeatElement(other.starts[index], count: text.count)
    ends += repeatElement(other.ends[index], count: text.count)
  }

  /// Replaces each character by those that `body` gives, which stand for it.
  mutating func map(_ body: (UInt32, (UInt32) -> Void) -> Void) {
    align()
    var new = successor()
    bytes.withUnsafeBufferPointer { text in
      var index = 0
      while index < text.count {
        let (code, length) = text.character(at: index)
        body(code) { new.append($0, from: self, at: index) }
        index += length
      }
    }
    self = new
  }

  /// Replaces the text; each character says what it replaces. An inserted one stands for what the character before it in the old
  /// text stands for.
  mutating func transform(_ changes: [UnicodeForms.Change], skipping skipped: Int = 0) {
    align()
    var new = successor()
    var index = skipped
    for (code, change) in changes {
      if change > 0 {
        if index > 0 { new.append(code, from: self, at: index - 1) } else { new.append(code, at: 0) }
        continue
      }
      guard index < bytes.count else { break }
      new.append(code, from: self, at: index)
      for _ in 0...(-change) where index < bytes.count { index += Bytes.length(bytes[index]) }
    }
    self = new
  }

  private mutating func append(_ code: UInt32, at place: Int32) {
    let before = bytes.count
    bytes.append(character: code)
    starts += repeatElement(place, count: bytes.count - before)
    ends += repeatElement(place, count: bytes.count - before)
  }

  /// Puts `text` in front; it stands for the first character.
  mutating func prepend(_ text: [UInt8]) {
    guard !bytes.isEmpty else { return }
    align()
    bytes.insert(contentsOf: text, at: 0)
    starts.insert(contentsOf: repeatElement(starts[0], count: text.count), at: 0)
    ends.insert(contentsOf: repeatElement(ends[0], count: text.count), at: 0)
  }

  /// Keeps only the bytes of `range`.
  mutating func keep(_ range: Range<Int>) {
    guard range.count < bytes.count else { return }
    align()
    bytes = Array(bytes[range])
    starts = Array(starts[range])
    ends = Array(ends[range])
  }
}
