import CUnicode

/// The normalization forms of Unicode (UAX #15), with what each resulting character replaced.
///
/// Characters that are newer than Unicode 9 stay as they are, as in `tokenizers`: models were trained on that.
enum UnicodeForms {
  enum Form: Sendable {
    case nfd, nfc, nfkd, nfkc
    var isCompatible: Bool { self == .nfkd || self == .nfkc }
    var isComposed: Bool { self == .nfc || self == .nfkc }
  }

  /// A character of the result; `change` is 0 if it replaces one, 1 if it was inserted, −n if it replaces one and n after it go.
  typealias Change = (code: UInt32, change: Int)

  private struct Decomposition {
    let characters: [UInt32]
    let isCompatible: Bool
  }

  private struct Tables {
    var decompositions: [UInt32: Decomposition] = [:]
    var compositions: [UInt64: UInt32] = [:]
    /// By blocks of 128 characters: whether one there decomposes, or has a combining class.
    var isTouched = [Bool](repeating: false, count: 0x110000 >> 7)
  }

  private static let tables: Tables = {
    var tables = Tables()
    let numbers = UnsafeRawPointer(fb_decompositions()!)
    func number(_ index: Int) -> Int {
      Int(UInt32(littleEndian: numbers.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
    }
    let count = number(0)
    let texts = 2 * count + 2
    let excludedCount = texts + number(texts - 1)
    let excluded = Set((0..<number(excludedCount)).map { UInt32(number(excludedCount + 1 + $0)) })
    for entry in 0..<count where CharacterClasses.isOlder(UInt32(number(1 + 2 * entry)), than: 10) {
      let (code, packed) = (UInt32(number(1 + 2 * entry)), number(2 + 2 * entry))
      let start = texts + packed >> 8
      let characters = (0..<(packed >> 1 & 0x7F)).map { UInt32(number(start + $0)) }
      let isCompatible = packed & 1 == 1
      tables.decompositions[code] = Decomposition(characters: characters, isCompatible: isCompatible)
      tables.isTouched[Int(code >> 7)] = true
      if !isCompatible, characters.count == 2, !excluded.contains(code) {
        tables.compositions[UInt64(characters[0]) << 32 | UInt64(characters[1])] = code
      }
    }
    for code in 0x300..<UInt32(0x20000) where combiningClass(code) != 0 { tables.isTouched[Int(code >> 7)] = true }
    for code in [0x1100, 0x1180] + Array(stride(from: 0xAC00, to: 0xD7A4, by: 128)) { tables.isTouched[code >> 7] = true }
    return tables
  }()

  static func combiningClass(_ code: UInt32) -> UInt8 {
    guard code >= 0x300, let scalar = Unicode.Scalar(code) else { return 0 }
    let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
    return combiningClass == 0 || CharacterClasses.isOlder(code, than: 10) ? combiningClass : 0
  }

  /// Calls `body` with the characters that `code` decomposes into, all the way; itself if it does not.
  static func decompose(_ code: UInt32, compatibly: Bool, _ body: (UInt32) -> Void) {
    guard code >= 0xA0, tables.isTouched[Int(code >> 7)] else { return body(code) }
    if code >= 0xAC00, code < 0xAC00 + 11172 {
      let index = code - 0xAC00
      body(0x1100 + index / 588)
      body(0x1161 + index % 588 / 28)
      if index % 28 > 0 { body(0x11A7 + index % 28) }
      return
    }
    guard let found = tables.decompositions[code], compatibly || !found.isCompatible else { return body(code) }
    for part in found.characters { decompose(part, compatibly: compatibly, body) }
  }

  private static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if first >= 0x1100, first < 0x1113, second >= 0x1161, second < 0x1176 {
      return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
    }
    if first >= 0xAC00, first < 0xAC00 + 11172, (first - 0xAC00) % 28 == 0, second > 0x11A7, second < 0x11C3 {
      return first + second - 0x11A7
    }
    return tables.compositions[UInt64(first) << 32 | UInt64(second)]
  }

  /// Whether all of the text's characters are, without a look at their neighbours, what the form leaves alone.
  static func isSurely(_ form: Form, _ text: Bytes) -> Bool {
    var index = 0
    while index < text.count {
      if text[index] < 0x80 {
        index += 1
        continue
      }
      let (code, length) = text.character(at: index)
      index += length
      guard code >= 0xA0, tables.isTouched[Int(code >> 7)] else { continue }
      if combiningClass(code) != 0 || (0x1100..<0x1200).contains(code) { return false }
      if code >= 0xAC00, code < 0xAC00 + 11172 {
        if form.isComposed { continue }
        return false
      }
      if let found = tables.decompositions[code] {
        if found.isCompatible ? form.isCompatible : !form.isComposed { return false }
        // In a composed form a character with a canonical decomposition stays if composing gives it back.
        if !found.isCompatible, found.characters.count == 1 || compose(found.characters[0], found.characters[1]) != code {
          return false
        }
        if form.isCompatible, !found.isCompatible, found.characters.contains(where: { tables.decompositions[$0] != nil }) {
          return false
        }
      }
      // The second halves of compositions that are no marks: a few in Indic scripts, all with class 0.
      if form.isComposed, isTrailingStarter(code) { return false }
    }
    return true
  }

  private static let trailingStarters = Set(
    tables.compositions.keys.map { UInt32(truncatingIfNeeded: $0) }.filter { combiningClass($0) == 0 })
  private static func isTrailingStarter(_ code: UInt32) -> Bool { code >= 0x900 && trailingStarters.contains(code) }

  static func changes(_ form: Form, of text: Bytes) -> [Change] {
    var result: [Change] = []
    result.reserveCapacity(text.count)
    var index = 0
    /// Where the marks begin that are still to be ordered.
    var marks = 0
    while index < text.count {
      let (code, length) = text.character(at: index)
      index += length
      var change = 0
      decompose(code, compatibly: form.isCompatible) { part in
        if combiningClass(part) == 0 {
          order(&result, from: marks)
          marks = result.count + 1
        }
        result.append((part, change))
        change = 1
      }
    }
    order(&result, from: marks)
    return form.isComposed ? composed(result) : result
  }

  /// Marks after a starter stand in the order of their classes.
  private static func order(_ text: inout [Change], from start: Int) {
    guard text.count - start > 1 else { return }
    for index in start + 1..<text.count {
      var place = index
      while place > start, combiningClass(text[place - 1].code) > combiningClass(text[place].code) {
        text.swapAt(place - 1, place)
        place -= 1
      }
    }
  }

  private static func composed(_ text: [Change]) -> [Change] {
    var result: [Change] = []
    result.reserveCapacity(text.count)
    /// Where the last starter is in the result, and the class of what was last put after it.
    var starter: Int?
    var lastClass: UInt8?
    for next in text {
      let nextClass = combiningClass(next.code)
      if let starter {
        let isBlocked = lastClass.map { $0 >= nextClass } ?? false
        if !isBlocked, let both = compose(result[starter].code, next.code) {
          result[starter] = (both, result[starter].change + next.change - 1)
          continue
        }
      }
      result.append(next)
      if nextClass == 0 {
        starter = result.count - 1
        lastClass = nil
      } else if starter != nil {
        lastClass = nextClass
      }
    }
    return result
  }
}
