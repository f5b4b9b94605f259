import Flambeau

/// A box whose tensor belongs to a module's state.
protocol StateBox: AnyObject, Sendable {
  var tensor: Tensor { get }
  /// Puts another tensor into the box, as it is.
  func hold(_ tensor: Tensor)
}

extension Parameter: StateBox {}
extension Buffer: StateBox {}

/// What is in a module, by PyTorch's names: one walk over the properties, remembered as long as the module lives.
///
/// References are unowned, or what is remembered would never be released: the `let`s of the module keep what they name.
struct Inventory: Sendable {
  private struct Place: Sendable {
    let name: String
    unowned let box: any StateBox
    /// The box has not been seen at an earlier place.
    let isFirst: Bool
  }

  private struct Stop: Sendable {
    let name: String
    unowned let module: any Module
  }

  private struct Switch: Sendable {
    unowned let mode: Mode
  }

  private var places: [Place] = []
  private var stops: [Stop] = []
  private var switches: [Switch] = []

  private init(walking module: any Module) {
    var seen: Set<ObjectIdentifier> = []
    visit(module, "", &seen)
  }

  /// A module's parameters come first, then its buffers, then what is in the modules it holds: torch's order.
  private mutating func visit(_ module: any Module, _ path: String, _ seen: inout Set<ObjectIdentifier>) {
    if seen.insert(ObjectIdentifier(module)).inserted { stops.append(Stop(name: path, module: module)) }
    visit(Member.of(module).map { ($0.name, $0.content) }, path, &seen)
  }

  private mutating func visit(
    _ members: [(name: String, content: Content)], _ path: String, _ seen: inout Set<ObjectIdentifier>
  ) {
    func inner(_ name: String) -> String { path.isEmpty || name.isEmpty ? path + name : "\(path).\(name)" }
    func add(_ name: String, _ box: any StateBox) {
      places.append(Place(name: inner(name), box: box, isFirst: seen.insert(ObjectIdentifier(box)).inserted))
    }
    for member in members { if case .parameter(let parameter) = member.content { add(member.name, parameter) } }
    for member in members { if case .buffer(let buffer) = member.content { add(member.name, buffer) } }
    for member in members {
      switch member.content {
      case .mode(let mode): switches.append(Switch(mode: mode))
      case .module(let module): visit(module, inner(member.name), &seen)
      case .group(let members): visit(members, inner(member.name), &seen)
      case .parameter, .buffer: break
      }
    }
  }

  var parameters: [(name: String, parameter: Parameter)] {
    places.compactMap { place in place.isFirst ? (place.box as? Parameter).map { (place.name, $0) } : nil }
  }

  var buffers: [(name: String, buffer: Buffer)] {
    places.compactMap { place in place.isFirst ? (place.box as? Buffer).map { (place.name, $0) } : nil }
  }

  var modules: [(name: String, module: any Module)] { stops.map { ($0.name, $0.module) } }

  var modes: [Mode] { switches.map(\.mode) }

  /// Every place of the state dict; a box at two places is there twice.
  var state: [(name: String, box: any StateBox)] {
    places.compactMap { place in (place.box as? Buffer)?.isPersistent == false ? nil : (place.name, place.box) }
  }

  /// Every place, of buffers that are not persistent too; a box at two places is there twice.
  var boxes: [(name: String, box: any StateBox)] { places.map { ($0.name, $0.box) } }

  static func of(_ module: any Module) -> Inventory {
    let id = ObjectIdentifier(module)
    if let known = memory.lock.withLock({ memory.inventory(id, module) }) { return known }
    let new = Inventory(walking: module)
    let survivors = memory.lock.withLock { memory.remember(id, module, new) }
    withExtendedLifetime(survivors) {}
    return new
  }

  private static let memory = Memory()

  private final class Memory: Sendable {
    private struct Entry {
      weak var module: (any Module)?
      let inventory: Inventory
    }

    let lock = Lock()
    // Guarded by the lock.
    nonisolated(unsafe) private var entries: [ObjectIdentifier: Entry] = [:]
    nonisolated(unsafe) private var bound = 64

    /// Another object may live where a module was.
    func inventory(_ id: ObjectIdentifier, _ module: any Module) -> Inventory? {
      guard let entry = entries[id], entry.module === module else { return nil }
      return entry.inventory
    }

    /// Forgets dead modules when there are many entries. Returns the living, to be released without the lock.
    func remember(_ id: ObjectIdentifier, _ module: any Module, _ inventory: Inventory) -> [any Module] {
      var living: [any Module] = []
      if entries.count >= bound {
        for (id, entry) in entries {
          if let module = entry.module { living.append(module) } else { entries[id] = nil }
        }
        bound = 2 * entries.count + 64
      }
      entries[id] = Entry(module: module, inventory: inventory)
      return living
    }
  }
}
