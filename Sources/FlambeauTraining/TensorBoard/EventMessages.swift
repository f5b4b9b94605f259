/// Writes messages in Protocol Buffers' wire format. Only writing, and only the kinds of fields that events have.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  private enum Wire {
    static let varint: UInt64 = 0
    static let fixed64: UInt64 = 1
    static let sized: UInt64 = 2
    static let fixed32: UInt64 = 5
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func tag(_ field: UInt64, _ wire: UInt64) { varint(field << 3 | wire) }

  private mutating func fixed(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func int(_ field: UInt64, _ value: Int) {
    tag(field, Wire.varint)
    varint(UInt64(bitPattern: Int64(value)))
  }

  mutating func double(_ field: UInt64, _ value: Double) {
    tag(field, Wire.fixed64)
    fixed(value.bitPattern)
  }

  mutating func float(_ field: UInt64, _ value: Float) {
    tag(field, Wire.fixed32)
    fixed(value.bitPattern)
  }

  mutating func data(_ field: UInt64, _ value: some Collection<UInt8>) {
    tag(field, Wire.sized)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  mutating func string(_ field: UInt64, _ value: String) { data(field, value.utf8) }

  /// A packed list.
  mutating func doubles(_ field: UInt64, _ values: [Double]) {
    var list = ProtobufWriter()
    for value in values { list.fixed(value.bitPattern) }
    data(field, list.bytes)
  }

  mutating func message(_ field: UInt64, _ fill: (inout ProtobufWriter) -> Void) {
    var inner = ProtobufWriter()
    fill(&inner)
    data(field, inner.bytes)
  }
}

/// What TensorBoard reads, with the field numbers of tensorflow/core/util/event.proto and summary.proto.
struct Event {
  enum Content {
    case fileVersion
    /// Forget what was written for this step and later ones: a run goes on from here.
    case restart
    case scalar(tag: String, Double)
    case histogram(tag: String, Histogram)
    case image(tag: String, height: Int, width: Int, channels: Int, png: [UInt8])
  }

  /// Seconds since 1970.
  let time: Double
  let step: Int
  let content: Content

  var bytes: [UInt8] {
    var event = ProtobufWriter()
    event.double(1, time)
    event.int(2, step)
    switch content {
    case .fileVersion: event.string(3, "brain.Event:2")
    case .restart: event.message(7) { $0.int(1, 1) }
    case .scalar(let tag, let value): Self.value(&event, tag) { $0.float(2, Float(value)) }
    case .histogram(let tag, let histogram): Self.value(&event, tag) { $0.message(5, histogram.write) }
    case .image(let tag, let height, let width, let channels, let png):
      Self.value(&event, tag) { value in
        value.message(4) { image in
          image.int(1, height)
          image.int(2, width)
          image.int(3, channels)
          image.data(4, png)
        }
      }
    }
    return event.bytes
  }

  /// A summary of one value.
  private static func value(_ event: inout ProtobufWriter, _ tag: String, _ fill: (inout ProtobufWriter) -> Void) {
    event.message(5) { summary in
      summary.message(1) { value in
        value.string(1, tag)
        fill(&value)
      }
    }
  }
}
