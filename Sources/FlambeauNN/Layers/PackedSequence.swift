import Flambeau

/// Sequences of different lengths, step by step: of every step the sequences that still go on, the longest first. Torch's
/// `PackedSequence`.
public struct PackedSequence: Sendable {
  /// [Σ lengths, *]: all of the first step, then all of the second …
  public let data: Tensor
  /// How many sequences each step has.
  public let batchSizes: [Int]
  /// Which sequence comes first, second …; nil where they were sorted by length.
  public let sortedIndices: Tensor?
  /// Where each sequence is among the sorted ones.
  public let unsortedIndices: Tensor?

  /// The same sequences with other elements.
  func replacing(_ data: Tensor) -> PackedSequence {
    PackedSequence(
      data: data, batchSizes: batchSizes, sortedIndices: sortedIndices, unsortedIndices: unsortedIndices)
  }
}

/// Packs padded sequences [t, n, *], with `batchFirst` [n, t, *]. Torch's `pack_padded_sequence`.
///
/// - Parameters:
///   - lengths: How much of each sequence counts, at least 1.
///   - enforceSorted: The sequences come longest first, as ONNX export needs.
public func packPaddedSequence(
  _ input: Tensor, lengths: [Int], batchFirst: Bool = false, enforceSorted: Bool = true, file: StaticString = #fileID,
  line: UInt = #line
) -> PackedSequence {
  func refused(_ problem: String) -> PackedSequence {
    let result = Door.refuse(
      TensorError(.argument, problem), in: "pack_padded_sequence", input, file: file, line: line)
    return PackedSequence(data: result, batchSizes: [], sortedIndices: nil, unsortedIndices: nil)
  }
  guard input.ndim >= 2 else { return refused("Expected input to have at least 2 dimensions, but got \(input.shape)") }
  let padded = batchFirst ? input.transpose(0, 1) : input
  guard lengths.count == padded.shape[1] else {
    return refused(
      "Expected `len(lengths)` to be equal to batch_size, but got \(lengths.count) (batch_size=\(padded.shape[1]))")
  }
  guard lengths.allSatisfy({ $0 > 0 }) else {
    return refused("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
  }
  guard lengths.allSatisfy({ $0 <= padded.shape[0] }) else {
    return refused("Expected lengths of at most \(padded.shape[0]), but got \(lengths.max()!)")
  }
  let order = lengths.indices.sorted { lengths[$0] != lengths[$1] ? lengths[$0] > lengths[$1] : $0 < $1 }
  let isSorted = order == Array(lengths.indices)
  if enforceSorted && !isSorted {
    return refused(
      "`lengths` array must be sorted in decreasing order when `enforceSorted` is true. You can pass `enforceSorted: false` to "
        + "packPaddedSequence")
  }
  let batchSizes = (0..<(lengths.max() ?? 0)).map { step in lengths.count { $0 > step } }
  let n = lengths.count
  let rows = batchSizes.enumerated().flatMap { step, size in order[..<size].map { Int64(step * n + $0) } }
  let flat = padded.reshape(Shape([padded.shape[0] * n] + padded.shape.dropFirst(2)))
  let data = flat.indexSelect(dim: 0, index: Tensor(rows, device: padded.device))
  if enforceSorted { return PackedSequence(data: data, batchSizes: batchSizes, sortedIndices: nil, unsortedIndices: nil) }
  var places = Array(repeating: Int64(0), count: n)
  for (place, sequence) in order.enumerated() { places[sequence] = Int64(place) }
  return PackedSequence(
    data: data, batchSizes: batchSizes, sortedIndices: Tensor(order.map { Int64($0) }, device: padded.device),
    unsortedIndices: Tensor(places, device: padded.device))
}

/// The sequences [t, n, *], with `batchFirst` [n, t, *], and their lengths; what lies beyond the end of one is
/// `paddingValue`. Torch's `pad_packed_sequence`.
///
/// - Parameter totalLength: At least the longest sequence's.
public func padPackedSequence(
  _ packed: PackedSequence, batchFirst: Bool = false, paddingValue: Double = 0, totalLength: Int? = nil,
  file: StaticString = #fileID,
  line: UInt = #line
) -> (sequences: Tensor, lengths: [Int]) {
  let (data, batchSizes) = (packed.data, packed.batchSizes)
  let (longest, n) = (batchSizes.count, batchSizes.first ?? 0)
  if let totalLength, totalLength < longest {
    let problem =
      "Expected total_length to be at least the length of the longest sequence in input, but got total_length=\(totalLength) "
      + "and max sequence length being \(longest)"
    return (Door.refuse(TensorError(.argument, problem), in: "pad_packed_sequence", data, file: file, line: line), [])
  }
  let total = totalLength ?? longest
  let places = packed.unsortedIndices?.array(of: Int64.self).map(Int.init) ?? Array(0..<n)
  let lengths = places.map { place in batchSizes.count { $0 > place } }
  let starts = batchSizes.reduce(into: [0]) { $0.append($0.last! + $1) }
  // The row after the last one is the padding.
  let rows = (0..<total).flatMap { step in
    places.map { Int64(step < longest && $0 < batchSizes[step] ? starts[step] + $0 : data.shape[0]) }
  }
  let padding = Tensor.full(Shape([1] + data.shape.dropFirst()), paddingValue, dtype: data.dtype, device: data.device)
  let picked = Tensor.cat([data, padding]).indexSelect(dim: 0, index: Tensor(rows, device: data.device))
  let sequences = picked.reshape(Shape([total, n] + data.shape.dropFirst()))
  return (batchFirst ? sequences.transpose(0, 1) : sequences, lengths)
}

/// Packs sequences [length, *]. Torch's `pack_sequence`.
public func packSequence(
  _ sequences: [Tensor], enforceSorted: Bool = true, file: StaticString = #fileID, line: UInt = #line
) -> PackedSequence {
  packPaddedSequence(
    padSequence(sequences), lengths: sequences.map { $0.ndim > 0 ? $0.shape[0] : 0 }, enforceSorted: enforceSorted,
    file: file, line: line)
}

/// The sequences [length, *]. Torch's `unpack_sequence`.
public func unpackSequence(_ packed: PackedSequence) -> [Tensor] {
  let (all, lengths) = padPackedSequence(packed, batchFirst: true)
  return lengths.indices.map { all[$0].narrow(0, start: 0, length: lengths[$0]) }
}

/// Sequences [length, *] side by side as [longest, n, *], with `batchFirst` [n, longest, *]. Torch's `pad_sequence`.
public func padSequence(
  _ sequences: [Tensor], batchFirst: Bool = false, paddingValue: Double = 0, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  let longest = sequences.map { $0.ndim > 0 ? $0.shape[0] : 0 }.max() ?? 0
  let equal = sequences.map { sequence in
    let missing = longest - (sequence.ndim > 0 ? sequence.shape[0] : 0)
    if missing == 0 { return sequence }
    return sequence.pad(
      Array(repeating: 0, count: 2 * Swift.max(sequence.ndim - 1, 0)) + [0, missing], value: paddingValue, file: file,
      line: line)
  }
  return Tensor.stack(equal, dim: batchFirst ? 0 : 1, file: file, line: line)
}
