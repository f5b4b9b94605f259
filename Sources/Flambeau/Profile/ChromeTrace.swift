extension Profile {
  /// The events on a time line a thread, and kernels on one of their own, as JSON that chrome://tracing and ui.perfetto.dev open. Times are microseconds.
  public var chromeTrace: String {
    var lines: [String] = []
    lines.reserveCapacity(events.count + 1)
    for thread in 0...(events.lazy.map(\.thread).max() ?? 0) {
      lines.append(
        #"{"name":"thread_name","ph":"M","pid":1,"tid":\#(thread),"args":{"name":"\#(thread == 0 ? "main" : "thread \(thread)")"}}"#
      )
    }
    for event in events {
      var details: [String] = []
      if !event.operands.isEmpty { details.append(#""operands":\#(event.operands.quoted)"#) }
      if event.byteCount > 0 { details.append(#""bytes":\#(event.byteCount)"#) }
      if event.operations > 0 { details.append(#""flop":\#(Int64(event.operations))"#) }
      lines.append(
        #"{"name":\#(event.name.quoted),"ph":"X","pid":1,"tid":\#(event.thread),"ts":\#(event.start.microseconds),"#
          + #""dur":\#(event.duration.microseconds),"args":{\#(details.joined(separator: ","))}}"#)
    }
    for kernel in kernels {
      lines.append(
        #"{"name":\#(kernel.name.quoted),"ph":"X","pid":2,"tid":0,"ts":\#(kernel.start.microseconds),"#
          + #""dur":\#(kernel.duration.microseconds),"args":{"operation":\#(kernel.operation.quoted)}}"#)
    }
    if !kernels.isEmpty { lines.append(#"{"name":"process_name","ph":"M","pid":2,"tid":0,"args":{"name":"GPU"}}"#) }
    return #"{"displayTimeUnit":"ms","traceEvents":["# + "\n" + lines.joined(separator: ",\n") + "\n]}\n"
  }
}

extension Duration {
  /// Microseconds with all nanoseconds.
  fileprivate var microseconds: String {
    let nanoseconds = components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
    let rest = String(nanoseconds % 1000)
    return "\(nanoseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
  }
}

extension String {
  /// As a JSON string.
  fileprivate var quoted: String {
    var result = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"", "\\":
        result.unicodeScalars.append("\\")
        result.unicodeScalars.append(scalar)
      case "\u{0}"..."\u{1F}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
