/// A loop of a row kernel over the thread's part of the row, while it is written.
struct RowLoop {
  /// Elements that it asks for together.
  struct Pack {
    let name: String
    let type: String
    /// Where it is: a base, and the row's position there.
    let (from, at): (String, String)
    /// Every element of the base may be read.
    let isPadded: Bool
  }

  let form: RowKernel.Form
  /// The row's length.
  let width: Int
  let segment: Int
  var packs: [Pack] = []
  /// Before a pack's elements are taken one by one.
  var declarations = ""
  /// What whole packs do at once, and the rows' ends element by element.
  var whole = ""
  var ends = ""
  var steps = ""
  var stores = ""
  /// What has its name already.
  var known: [Program.Operand: String] = [:]

  // MARK: Text

  func text() -> String {
    if steps.isEmpty && whole.isEmpty { return "" }
    return form.held.map(held) ?? walked()
  }

  private static func indented(_ lines: String, by count: Int) -> String {
    lines.split(separator: "\n").map { String(repeating: " ", count: count) + $0 + "\n" }.joined()
  }

  private func pack(_ read: Pack, _ c: String) -> String {
    "pack<\(read.type), \(form.pack)>(\(read.from), \(read.at) + \(c))"
  }

  /// The elements of a pack one by one.
  private func elements(_ head: String = "") -> String {
    if steps.isEmpty && head.isEmpty { return "" }
    return "#pragma unroll\nfor (int j = 0; j < \(form.pack); j++) {\n\(head)\(steps)}\n"
  }

  /// Over `count` packs, which stay in registers.
  private func held(_ count: Int) -> String {
    let loads = packs.map { "const auto \($0.name) = \(pack($0, "c"));\n" }.joined()
    let inner = loads + declarations + whole + elements("const int k = g * \(form.pack) + j;\n") + stores
    // Without a question before each, compilers ask for all packs first.
    let full = width / (form.threads * form.pack)
    return """
          #pragma unroll
          for (int g = 0; g < \(count); g++) {
            const int c = (g * \(form.threads) + lane) * \(form.pack);
            if (g < \(full) || c < a.width) {
      \(RowLoop.indented(inner, by: 8))      }
          }

      """
  }

  /// Whole packs, of which a thread asks for several before it uses the first; where rows are peeled, also what is left at their ends.
  private func walked() -> String {
    let step = form.threads * form.pack
    let fresh = packs.count { !$0.isPadded }
    let together = fresh == 0 ? 1 : Swift.max(1, 4 / fresh)
    let parameters = ["const int c"] + (form.isPeeled ? ["auto kind"] : []) + packs.map { "const auto &\($0.name)" }
    func visit(_ c: String, _ packs: [String], isWhole: Bool = true) -> String {
      "visit(\(([c] + (form.isPeeled ? [isWhole ? "WholePack()" : "PartOfPack()"] : []) + packs).joined(separator: ", ")));\n"
    }
    let ends = """
      if constexpr (!decltype(kind)::isWhole) {
      if (c + j < 0 || c + j >= a.width) continue;
      \(self.ends)}

      """
    let whole = self.whole.isEmpty || !form.isPeeled ? self.whole : "if constexpr (decltype(kind)::isWhole) {\n\(self.whole)}\n"
    var text = "{\nauto visit = [&](\(parameters.joined(separator: ", "))) {\n\(declarations)\(whole)"
    text += elements(form.isPeeled ? ends : "") + stores + "};\n"
    text += "int c = lane * \(form.pack)\(form.isPeeled ? " - skew" : "");\n"
    let parts = packs.map { read in
      read.isPadded
        ? pack(read, "c") : "part_of_pack<\(read.type), \(form.pack)>(\(read.from), \(read.at) + c, c, a.width)"
    }
    if form.isPeeled { text += "if (c < 0) {\n\(visit("c", parts, isWhole: false))c += \(step);\n}\n" }
    if together > 1 {
      text += "for (; c + \((together - 1) * step + form.pack) <= a.width; c += \(together * step)) {\n"
      for read in packs { text += "Pack<\(read.type), \(form.pack)> ahead_\(read.name)[\(together)];\n" }
      text += "#pragma unroll\nfor (int u = 0; u < \(together); u++) {\n"
      for read in packs { text += "ahead_\(read.name)[u] = \(pack(read, "c + u * \(step)"));\n" }
      text += "}\n#pragma unroll\nfor (int u = 0; u < \(together); u++) "
      text += visit("c + u * \(step)", packs.map { "ahead_\($0.name)[u]" }) + "}\n"
    }
    text += "for (; c + \(form.pack) <= a.width; c += \(step)) \(visit("c", packs.map { pack($0, "c") }))"
    if form.isPeeled { text += "if (c < a.width) \(visit("c", parts, isWhole: false))" }
    return RowLoop.indented(text + "}\n", by: 4)
  }
}
