/// Puts special tokens around texts.
protocol PostProcessor: Sendable {
  /// How many tokens it puts in.
  func added(isPair: Bool) -> Int
  /// `parts` are the encodings of the texts; what it makes of them stands one after another.
  func process(_ parts: [Encoding], addSpecialTokens: Bool) -> [Encoding]
  /// Whether it trims offsets.
  var trimsOffsets: Bool { get }
}

extension PostProcessor {
  var trimsOffsets: Bool { false }
}

struct PostProcessorSequence: PostProcessor {
  let processors: [any PostProcessor]

  func added(isPair: Bool) -> Int { processors.reduce(0) { $0 + $1.added(isPair: isPair) } }
  func process(_ parts: [Encoding], addSpecialTokens: Bool) -> [Encoding] {
    processors.reduce(parts) { $1.process($0, addSpecialTokens: addSpecialTokens) }
  }
  var trimsOffsets: Bool { processors.contains(where: \.trimsOffsets) }
}

/// BERT's and RoBERTa's frames: `cls A sep B sep`, with another `sep` before `B` for RoBERTa, whose types are all 0.
struct FrameProcessing: PostProcessor {
  let start: SpecialToken
  let end: SpecialToken
  let isRoberta: Bool
  var trimsOffsets = false
  var addsPrefixSpace = false

  func added(isPair: Bool) -> Int { isPair ? (isRoberta ? 4 : 3) : 2 }

  func process(_ parts: [Encoding], addSpecialTokens: Bool) -> [Encoding] {
    parts.enumerated().map { index, part in
      var part = part
      if trimsOffsets { part.trimOffsets(addsPrefixSpace: addsPrefixSpace) }
      if isRoberta { part.setTypes(0) }
      if !addSpecialTokens { return part }
      let head = index == 0 ? [start] : isRoberta ? [end] : []
      let type = isRoberta ? 0 : index
      func framed(_ text: Encoding) -> Encoding {
        var framed = text.slice(0..<0)
        framed.append(special: head, typeId: type)
        framed.append(text.slice(0..<text.count))
        framed.append(special: [end], typeId: type)
        return framed
      }
      var result = framed(part)
      result.overflowing = part.overflowing.map(framed)
      return result
    }
  }
}

/// Special tokens and texts in any order.
struct TemplateProcessing: PostProcessor {
  enum Part: Sendable {
    case text(Int, typeId: Int)
    case special([SpecialToken], typeId: Int)
  }

  let single: [Part]
  let pair: [Part]

  func added(isPair: Bool) -> Int {
    (isPair ? pair : single).reduce(0) { if case .special(let tokens, _) = $1 { $0 + tokens.count } else { $0 } }
  }

  func process(_ parts: [Encoding], addSpecialTokens: Bool) -> [Encoding] {
    (parts.count > 1 ? pair : single).compactMap { part in
      switch part {
      case .text(let index, let typeId):
        var text = parts[index]
        text.setTypes(typeId)
        return text
      case .special(let tokens, let typeId):
        guard addSpecialTokens else { return nil }
        var special = parts[0].slice(0..<0)
        special.append(special: tokens, typeId: typeId)
        return special
      }
    }
  }
}

/// Trims the offsets of byte-level tokens.
struct ByteLevelProcessing: PostProcessor {
  let trimsOffsets: Bool
  let addsPrefixSpace: Bool

  func added(isPair: Bool) -> Int { 0 }
  func process(_ parts: [Encoding], addSpecialTokens: Bool) -> [Encoding] {
    guard trimsOffsets else { return parts }
    return parts.map {
      var part = $0
      part.trimOffsets(addsPrefixSpace: addsPrefixSpace)
      return part
    }
  }
}
