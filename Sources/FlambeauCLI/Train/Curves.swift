/// The picture of a run: the loss of every batch and of every test, and the accuracies after every round, as SVG.
enum Curves {
  private static let size = (width: 900.0, height: 380.0)

  static func svg(title: String, losses: [Double], epochs: [EpochMetrics]) -> String {
    let left = Panel(x: 60, y: 60, width: 360, height: 260)
    let right = Panel(x: 500, y: 60, width: 360, height: 260)
    let finite = (losses + epochs.map(\.testLoss)).filter(\.isFinite)
    let top = max(finite.max() ?? 1, 1e-3)
    let lossScale = Scale(from: 0, to: top)
    let accuracies = epochs.flatMap { [$0.trainAccuracy, $0.testAccuracy] }
    let accuracyScale = Scale(from: ((accuracies.min() ?? 0) * 20).rounded(.down) / 20, to: 1)
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(size.width)\" height=\"\(size.height)\" "
        + "viewBox=\"0 0 \(size.width) \(size.height)\" font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      "<text x=\"60\" y=\"30\" font-size=\"16\">\(escaped(title))</text>",
      left.frame("loss", xTitle: "batch", xEnd: losses.count, lossScale) { $0.fixed(2) },
      right.frame("accuracy", xTitle: "round", xEnd: epochs.count, accuracyScale) { ($0 * 100).fixed(0) + " %" },
      left.line(losses, lossScale, colour: "#cccccc"),
      left.line(smoothed(losses), lossScale, colour: "#2980b9"),
      left.line(
        epochs.map { (Double($0.step) / Double(max(losses.count, 1)), $0.testLoss) }, lossScale, colour: "#c0392b", dotted: true),
      right.line(epochs.map(\.trainAccuracy), accuracyScale, colour: "#2980b9"),
      right.line(epochs.map(\.testAccuracy), accuracyScale, colour: "#c0392b"),
      right.legend([("training", "#2980b9"), ("test", "#c0392b")]),
    ]
    parts.append("</svg>")
    return parts.joined(separator: "\n") + "\n"
  }

  /// A moving average that forgets over about a fiftieth of the run.
  private static func smoothed(_ values: [Double]) -> [Double] {
    let keep = 1 - 1 / max(1, Double(values.count) / 50)
    var mean: Double?
    return values.map { value in
      let next = mean.map { $0 * keep + value * (1 - keep) } ?? value
      mean = next
      return next
    }
  }

  private static func escaped(_ text: String) -> String {
    text.map { $0 == "<" ? "&lt;" : $0 == "&" ? "&amp;" : String($0) }.joined()
  }
}

/// Values to 0…1.
private struct Scale {
  let from: Double
  let to: Double
  func place(_ value: Double) -> Double { to > from ? min(max((value - from) / (to - from), 0), 1) : 0.5 }
}

private struct Panel {
  let x: Double
  let y: Double
  let width: Double
  let height: Double

  func frame(_ title: String, xTitle: String, xEnd: Int, _ scale: Scale, label: (Double) -> String) -> String {
    var text = "<text x=\"\(x)\" y=\"\(y - 10)\" fill=\"#333333\">\(title)</text>"
    for k in 0...4 {
      let value = scale.from + (scale.to - scale.from) * Double(k) / 4
      let at = (y + height * (1 - Double(k) / 4)).fixed(1)
      text +=
        "<line x1=\"\(x)\" y1=\"\(at)\" x2=\"\(x + width)\" y2=\"\(at)\" stroke=\"#eeeeee\"/>"
        + "<text x=\"\(x - 6)\" y=\"\(at)\" text-anchor=\"end\" dominant-baseline=\"middle\" fill=\"#666666\">\(label(value))</text>"
    }
    return text
      + "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\" fill=\"none\" stroke=\"#999999\"/>"
      + "<text x=\"\(x + width)\" y=\"\(y + height + 20)\" text-anchor=\"end\" fill=\"#666666\">\(xTitle) \(xEnd)</text>"
  }

  /// At most a thousand points, evenly spaced from edge to edge.
  func line(_ values: [Double], _ scale: Scale, colour: String) -> String {
    let last = Double(max(values.count - 1, 1))
    let points = stride(from: 0, to: values.count, by: max(1, values.count / 1000)).map { i in
      (values.count == 1 ? 0.5 : Double(i) / last, values[i])
    }
    return line(points, scale, colour: colour, dotted: values.count <= 30)
  }

  /// Points whose first number is the share of the width.
  func line(_ points: [(across: Double, value: Double)], _ scale: Scale, colour: String, dotted: Bool) -> String {
    let places = points.filter(\.value.isFinite).map { point in
      (x: (x + width * point.across).fixed(1), y: (y + height * (1 - scale.place(point.value))).fixed(1))
    }
    if places.isEmpty { return "" }
    let path = places.map { "\($0.x),\($0.y)" }.joined(separator: " ")
    let dots = places.map { "<circle cx=\"\($0.x)\" cy=\"\($0.y)\" r=\"2.5\" fill=\"\(colour)\"/>" }.joined()
    return "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.5\"/>" + (dotted ? dots : "")
  }

  func legend(_ entries: [(String, String)]) -> String {
    entries.enumerated().map { i, entry in
      let at = y + height - 30 + Double(i) * 16
      return "<rect x=\"\(x + 12)\" y=\"\(at - 8)\" width=\"12\" height=\"3\" fill=\"\(entry.1)\"/>"
        + "<text x=\"\(x + 30)\" y=\"\(at - 2)\" fill=\"#333333\">\(entry.0)</text>"
    }.joined()
  }
}
