/// Tensors cut into views, none of which needs a row of its own.
struct Splits: Sendable {
  let composites: [Sample] = [
    .several("a.split(2, 1)", [.real([2, 5])]) { Array($0[0].split(2, dim: 1)) },
    .several("a.split([1, 0, 2])", [.real([3, 2])]) { Array($0[0].split([1, 0, 2])) },
    .several("a.chunk(3, -1)", [.real([2, 5])]) { Array($0[0].chunk(3, dim: -1)) },
    .several("a.tensor_split(torch.tensor([1, 3]), 1)", [.real([2, 5])]) { Array($0[0].tensorSplit(Tensor([1, 3]), dim: 1)) },
    .several("a.tensor_split(torch.tensor(2))", [.real([3, 2])]) { Array($0[0].tensorSplit(Tensor(2))) },
    .several("a.unbind(1)", [.real([2, 3, 2])]) { Array($0[0].unbind(dim: 1)) },
  ]
}

/// The tensors that one was cut into.
///
/// A collection whose subscript takes negative positions, counted from the end, and answers one that is not there with an
/// error. In a failed error scope every position holds a tensor of that scope.
public struct TensorList: Sendable, RandomAccessCollection {
  private let tensors: [Tensor]
  private let poison: Tensor?

  init(_ tensors: [Tensor]) {
    self.tensors = tensors
    poison = nil
  }

  init(poison: Tensor) {
    tensors = []
    self.poison = poison
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { tensors.count }

  public subscript(position: Int) -> Tensor {
    if let poison { return poison }
    let i = position < 0 ? position + tensors.count : position
    guard tensors.indices.contains(i) else {
      return Door.refuse(
        .index("position \(position) is out of range for a list of \(tensors.count) tensors"), "subscript", Few(), at: nil)
    }
    return tensors[i]
  }
}

extension Tensor {
  /// Views of `size` positions of `dim` each; the last may have fewer. Torch's `split`.
  public func split(_ size: Int, dim: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    cut("split", dim, CallSite(file, line)) { whole throws(TensorError) in
      guard size >= 0 else {
        throw .argument("split expects split_size be non-negative, but got split_size=\(size)")
      }
      guard size > 0 || whole == 0 else {
        throw .argument("split_size can only be 0 if dimension size is 0, but got dimension size of \(whole)")
      }
      return Tensor.sizes(of: whole, by: size)
    }
  }

  /// Views of as many positions of `dim` as `sizes` says; together they are all. Torch's `split` with a list.
  public func split(
    _ sizes: [Int], dim: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    cut("split", dim, CallSite(file, line)) { whole throws(TensorError) in
      guard !sizes.contains(where: { $0 < 0 }) else {
        throw .argument(
          "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=\(sizes)")
      }
      let sum = sizes.reduce((0, false)) { sum, size in
        let (next, overflow) = sum.0.addingReportingOverflow(size)
        return (next, sum.1 || overflow)
      }
      guard !sum.1, sum.0 == whole else {
        throw .argument(
          "split_with_sizes expects split_sizes to sum exactly to \(whole) (input tensor's size at dimension \(dim)), but "
            + "got split_sizes=\(sizes)")
      }
      return sizes
    }
  }

  /// At most `count` views of equal size along `dim`; the last may be smaller. Torch's `chunk`.
  public func chunk(_ count: Int, dim: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    cut("chunk", dim, CallSite(file, line)) { whole throws(TensorError) in
      guard count > 0 else { throw .argument("chunk expects `chunks` to be greater than 0, got: \(count)") }
      if whole == 0 { return Array(repeating: 0, count: count) }
      return Tensor.sizes(of: whole, by: whole / count + (whole % count == 0 ? 0 : 1))
    }
  }

  /// A view of every position of `dim`, without that dimension. Torch's `unbind`.
  public func unbind(dim: Int = 0, file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    list("unbind", CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .index("Dimension specified as \(dim) but tensor has no dimensions") }
      let dim = try layout.dimension(dim)
      return (0..<layout.shape.at(dim)).map { ops.views.select(self, Position(dim: dim, index: $0)) }
    }
  }

  /// `count` views along `dim`, of which the first are one longer where it does not divide. Torch's `tensor_split`.
  public func tensorSplit(
    _ count: Int, dim: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    cut("tensor_split", dim, CallSite(file, line)) { whole throws(TensorError) in
      guard count > 0 else { throw .argument("number of sections must be larger than 0, got \(count)") }
      return (0..<count).map { whole / count + ($0 < whole % count ? 1 : 0) }
    }
  }

  /// Views along `dim` that end at the positions `ends`, the last at the end; negative ones count from there. Torch's
  /// `tensor_split` with a list.
  public func tensorSplit(
    _ ends: [Int], dim: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    list("tensor_split", CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .scalarCut("tensor_split") }
      let dim = try layout.dimension(dim)
      let whole = layout.shape.at(dim)
      var start = 0
      return (ends + [whole]).map { end in
        let end = Swift.min(Swift.max(end < 0 ? end + whole : end, 0), whole)
        defer { start = end }
        return ops.views.slice(
          self, SliceArguments(dim: dim, start: start, count: Swift.max(end - start, 0), step: 1))
      }
    }
  }

  /// ``tensorSplit(_:dim:file:line:)-(Int,_,_,_)`` where `cuts` is a scalar, else with its elements as the ends; int64. Torch's
  /// `tensor_split` with a tensor.
  public func tensorSplit(
    _ cuts: Tensor, dim: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    if let poison = cuts.body.poison { return TensorList(poison: Door.poisoned(by: poison, .current)) }
    return list("tensor_split", CallSite(file, line)) { _ throws(TensorError) in
      guard cuts.dtype == .int64 else {
        throw .dtype(
          "tensor_split expected tensor_indices_or_sections to have dtype of long, but got \(cuts.dtype.torchScalarName)")
      }
      guard cuts.ndim <= 1 else {
        throw .shape(
          "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a "
            + "tensor with \(cuts.ndim) dims")
      }
      let numbers = try cuts.soundArray(of: Int.self)
      return Array(
        cuts.ndim == 0
          ? tensorSplit(numbers[0], dim: dim, file: file, line: line) : tensorSplit(numbers, dim: dim, file: file, line: line))
    }
  }

  private static func sizes(of whole: Int, by size: Int) -> [Int] {
    if whole == 0 { return [0] }
    return stride(from: 0, to: whole, by: size).map { Swift.min(size, whole - $0) }
  }

  /// Neighbouring slices of `dim` whose sizes `sizes` gives for the size of the whole.
  private func cut(
    _ name: String, _ dim: Int, _ site: CallSite, _ sizes: (Int) throws(TensorError) -> [Int]
  ) -> TensorList {
    list(name, site) { layout throws(TensorError) in
      guard layout.rank > 0 else {
        throw name == "tensor_split" ? .scalarCut(name) : .shape("\(name) expects at least a 1-dimensional tensor")
      }
      let dim = try layout.dimension(dim)
      var start = 0
      var slices: [Tensor] = []
      for size in try sizes(layout.shape.at(dim)) {
        slices.append(ops.views.slice(self, SliceArguments(dim: dim, start: start, count: size, step: 1)))
        start += size
      }
      return slices
    }
  }

  /// `checked` for a list.
  func list(
    _ name: String, _ site: CallSite, _ body: (Layout) throws(TensorError) -> [Tensor]
  ) -> TensorList {
    let context = Context.current
    if let poison = self.body.poison { return TensorList(poison: Door.poisoned(by: poison, context)) }
    if context.isFailed { return TensorList(poison: Door.poisoned(by: context.failure!, context)) }
    do throws(TensorError) {
      return TensorList(try body(self.body.layout))
    } catch {
      return TensorList(poison: Door.refuse(error, name, Few(self), at: site))
    }
  }
}

extension TensorError {
  fileprivate static func scalarCut(_ name: String) -> TensorError {
    .shape("\(name) expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
  }
}

// Splits along a named dimension.
extension Tensor {
  /// Equal views side by side: along dimension 1, of a vector along 0. Torch's `hsplit`.
  public func hsplit(_ count: Int, file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    evenly(count, ndim == 1 ? 0 : 1, "hsplit", rank: 1, CallSite(file, line))
  }
  /// Views side by side that end at the positions `ends`. Torch's `hsplit` with a list.
  public func hsplit(_ ends: [Int], file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    ended(ends, ndim == 1 ? 0 : 1, "hsplit", rank: 1, CallSite(file, line))
  }
  /// Equal views one under the other: along dimension 0. Torch's `vsplit`.
  public func vsplit(_ count: Int, file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    evenly(count, 0, "vsplit", rank: 2, CallSite(file, line))
  }
  /// Views one under the other that end at the positions `ends`. Torch's `vsplit` with a list.
  public func vsplit(_ ends: [Int], file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    ended(ends, 0, "vsplit", rank: 2, CallSite(file, line))
  }
  /// Equal views along dimension 2. Torch's `dsplit`.
  public func dsplit(_ count: Int, file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    evenly(count, 2, "dsplit", rank: 3, CallSite(file, line))
  }
  /// Views along dimension 2 that end at the positions `ends`. Torch's `dsplit` with a list.
  public func dsplit(_ ends: [Int], file: StaticString = #fileID, line: UInt = #line) -> TensorList {
    ended(ends, 2, "dsplit", rank: 3, CallSite(file, line))
  }

  private func evenly(_ count: Int, _ dim: Int, _ name: String, rank: Int, _ site: CallSite) -> TensorList {
    list(name, site) { layout throws(TensorError) in
      try layout.checkRank(rank, name)
      let size = layout.shape.at(dim)
      guard count > 0, size % count == 0 else {
        throw .shape(
          "torch.\(name) attempted to split along dimension \(dim), but the size of the dimension \(size) is not divisible "
            + "by the split_size \(count)!")
      }
      return Array(tensorSplit(count, dim: dim))
    }
  }

  private func ended(_ ends: [Int], _ dim: Int, _ name: String, rank: Int, _ site: CallSite) -> TensorList {
    list(name, site) { layout throws(TensorError) in
      try layout.checkRank(rank, name)
      return Array(tensorSplit(ends, dim: dim))
    }
  }
}

extension Layout {
  fileprivate func checkRank(_ least: Int, _ name: String) throws(TensorError) {
    guard rank >= least else {
      throw .shape(
        "torch.\(name) requires a tensor with at least \(least) dimension, but got a tensor with \(rank) dimensions!")
    }
  }
}
