extension Tensor: CustomStringConvertible {
  /// The elements, aligned and where there are many summarised, then what is not the default: torch's text.
  ///
  /// ``PrintOptions/current`` says how.
  public var description: String { TensorText(body, PrintOptions.current.clamped).text }
}

private struct TensorText {
  private let body: TensorBody
  private let options: PrintOptions
  private let isSummarised: Bool

  private static let opening = "tensor("

  init(_ body: TensorBody, _ options: PrintOptions) {
    self.body = body
    self.options = options
    isSummarised = body.layout.elementCount > options.threshold
  }

  var text: String {
    do throws(TensorError) {
      if let poison = body.poison { throw poison }
      return try whole()
    } catch {
      return Self.opening + "<\(error)>)"
    }
  }

  private func whole() throws(TensorError) -> String {
    var parts = Self.opening
    if body.layout.elementCount == 0 {
      parts += "[]"
    } else {
      var texts = try texts()
      parts += block(dim: 0, indent: Self.opening.utf8.count, &texts)
    }
    return parts.appending(attributes, indent: Self.opening.utf8.count, lineWidth: options.lineWidth) + ")"
  }
}

// The elements.
extension TensorText {
  /// The positions along a dimension that print.
  private func pieces(_ size: Int) -> [Range<Int>] {
    let edge = options.edgeItems
    return isSummarised && size - edge > edge ? [0..<edge, size - edge..<size] : [0..<size]
  }

  private func texts() throws(TensorError) -> AlignedTexts {
    if body.dtype.isFloatingPoint { return AlignedTexts(try gather(body.layout, of: Double.self), options) }
    return AlignedTexts(try gather(body.layout, of: Int64.self), isBoolean: body.dtype == .bool)
  }

  /// The elements that print.
  private func gather<Number: TensorElement>(_ layout: Layout, of type: Number.Type) throws(TensorError) -> [Number] {
    if layout.rank == 0 || !isSummarised { return try body.elements(layout).array() }
    var numbers: [Number] = []
    for piece in pieces(layout.shape.at(0)) {
      for i in piece { numbers += try gather(layout.selected(0, i), of: type) }
    }
    return numbers
  }

  /// The elements from `dim` on, taken from the front of `texts`.
  private func block(dim: Int, indent: Int, _ texts: inout AlignedTexts) -> String {
    let shape = body.layout.shape
    if dim == shape.count { return texts.next() }
    let isRow = dim == shape.count - 1
    let pieces = pieces(shape.at(dim))
    var items: [String] = []
    for (i, piece) in pieces.enumerated() {
      if i > 0 { items.append(isRow && options.edgeItems > 0 ? " ..." : "...") }
      for _ in piece { items.append(block(dim: dim + 1, indent: indent + 1, &texts)) }
    }
    let margin = String(repeating: " ", count: indent + 1)
    if !isRow {
      let gap = "," + String(repeating: "\n", count: shape.count - dim - 1) + margin
      return "[" + items.joined(separator: gap) + "]"
    }
    let perLine = Swift.max(1, (options.lineWidth - indent) / (texts.width + 2))
    let lines = stride(from: 0, to: items.count, by: perLine).map { start in
      items[start..<Swift.min(start + perLine, items.count)].joined(separator: ", ")
    }
    return "[" + lines.joined(separator: ",\n" + margin) + "]"
  }
}

// What follows the elements.
extension TensorText {
  private var attributes: [String] {
    var result: [String] = []
    if body.storage.device != .cpu { result.append("device='\(body.storage.device)'") }
    let isEmpty = body.layout.elementCount == 0
    if isEmpty ? body.layout.rank != 1 : options.edgeItems == 0 { result.append("size=\(size)") }
    let isDefault = body.dtype == .float32 || (!isEmpty && (body.dtype == .int64 || body.dtype == .bool))
    if !isDefault { result.append("dtype=torch.\(body.dtype)") }
    if !body.isLeaf, let edge = body.edge {
      result.append("grad_fn=<\(edge.node.name)Backward0>")
    } else if body.requiresGrad {
      result.append("requires_grad=True")
    }
    return result
  }

  /// The shape as Python writes a tuple.
  private var size: String {
    let sizes = body.layout.shape.map(String.init)
    return sizes.count == 1 ? "(\(sizes[0]),)" : "(\(sizes.joined(separator: ", ")))"
  }
}

extension String {
  /// The text with `attributes` after it, each on the last line if it fits there.
  fileprivate func appending(_ attributes: [String], indent: Int, lineWidth: Int) -> String {
    var result = self
    // Torch takes the last line to be two characters longer than it is.
    var width = utf8.count + 2
    if let end = utf8.lastIndex(of: 0x0A) { width = utf8.distance(from: end, to: utf8.endIndex) + 1 }
    for attribute in attributes {
      if width + attribute.utf8.count + 2 > lineWidth {
        result += ",\n" + String(repeating: " ", count: indent) + attribute
        width = indent + attribute.utf8.count
      } else {
        result += ", " + attribute
        width += attribute.utf8.count + 2
      }
    }
    return result
  }
}
