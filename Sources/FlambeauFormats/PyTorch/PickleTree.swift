import Flambeau

/// What a pickle says, as numbered nodes. A value that is used in several places is one node, so a tree that folds into itself
/// takes no more memory than its text; only those who walk it must count their steps.
struct PickleTree {
  typealias ID = Int32

  enum Node {
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    /// Bytes of the pickle that are UTF-8.
    case text(start: Int, count: UInt32)
    /// Bytes of the pickle.
    case bytes(start: Int, count: UInt32)
    /// A string whose characters stand for bytes, as `_codecs.encode(text, 'latin1')` takes them.
    case latin1(ID)
    /// A little-endian number in two's complement that is longer than 64 bits.
    case largeInteger(start: Int, count: UInt32)
    /// A range of `tupleItems`.
    case tuple(start: Int, count: UInt32)
    /// Positions in `containers`; a dictionary's keys and values alternate.
    case list(Int32)
    case dict(Int32)
    case global(PickleGlobal)
    /// A name such as `torch.strided` or `cuda:0` that stands for itself.
    case word(Int32)
    case storage(Int32)
    case tensor(Int32)
  }

  /// Elements that tensors lie in, by the name under which the file keeps them.
  struct Storage {
    let key: String
    let dtype: DType
    /// In elements.
    let count: Int
    /// Where it begins in the storage of its name; only old files have such parts.
    var start = 0
  }

  struct Tensor {
    let storage: Int32
    let dtype: DType
    let offset: Int
    let shape: [Int]
    let strides: [Int]
  }

  var nodes: [Node] = []
  var tupleItems: [ID] = []
  var containers: [[ID]] = []
  var words: [String] = []
  var storages: [Storage] = []
  var tensors: [Tensor] = []
  var root: ID = 0

  subscript(id: ID) -> Node { nodes[Int(id)] }

  /// The items of a tuple or list; nil for everything else.
  func items(_ id: ID) -> ArraySlice<ID>? {
    switch self[id] {
    case .tuple(let start, let count): tupleItems[start..<start + Int(count)]
    case .list(let index): containers[Int(index)][...]
    default: nil
    }
  }

  func int(_ id: ID) -> Int? { if case .int(let value) = self[id] { value } else { nil } }
}
