import CKernels

/// A kernel as CUDA C.
struct KernelSource: Sendable, Hashable {
  /// The name of the function, which no other text has.
  let name: String
  /// All but the ``prelude``.
  let text: String

  /// - Parameters:
  ///   - kind: What the name begins with.
  ///   - arguments: The members of the kernel's only argument, `a`.
  ///   - threads: How many a block has, where they might need more registers than there are otherwise.
  ///   - blocks: How many of them a multiprocessor should have registers for.
  ///   - body: The function's statements; `parts` stand before it.
  init(_ kind: String, arguments: String, parts: String = "", threads: Int? = nil, blocks: Int = 1, body: String) {
    let bounds = threads.map { "__launch_bounds__(\($0)\(blocks > 1 ? ", \(blocks)" : "")) " } ?? ""
    let content = "struct Arguments {\n\(arguments)};\n\n\(parts)\(bounds)KERNEL(const Arguments a) {\n\(body)}\n"
    name = "\(kind)_\(KernelSource.digest(of: content.utf8))"
    text = content.replacing("\(bounds)KERNEL", with: "extern \"C\" __global__ void \(bounds)\(name)", maxReplacements: 1)
  }

  /// What every kernel is written in: the primitives, element types, and how threads join values.
  static let prelude: String = (0..<Int32(fb_device_part_count)).map { String(cString: fb_device_part($0)) }.joined(
    separator: "\n")

  /// Products of tiles, a part of the kernels that multiply.
  static let tiles = extra(fb_device_tiles)
  /// Attention by tiles, which stands after them, and the same with its gradients.
  static let attention = extra(fb_device_attention)
  static let attentionGradients = attention + extra(fb_device_attention_gradients)
  /// The same of halves by tensor cores alone.
  static let tensorAttention = extra(fb_device_fragments) + extra(fb_device_tensor_attention)
  static let tensorAttentionGradients = tensorAttention + extra(fb_device_tensor_attention_gradients)

  private static func extra<I: BinaryInteger>(_ extra: I) -> String { String(cString: fb_device_extra(Int32(extra))) }

  /// How NVRTC compiles for an architecture, such as `sm_90` or `compute_75`. Sums and products are fused where programs say so
  /// and nowhere else, so that the CPU and the GPU round alike.
  static func options(architecture: String) -> [String] {
    ["--gpu-architecture=\(architecture)", "--std=c++17", "--fmad=false", "-default-device", "--diag-suppress=161"]
  }

  /// The text that is compiled.
  var whole: String { KernelSource.prelude + "\n" + text }

  /// 128 bits that differ where bytes do: FNV-1a's 64, from two starts.
  static func digest(of bytes: some Sequence<UInt8>) -> String {
    var (first, second) = (UInt64(0xcbf2_9ce4_8422_2325), UInt64(0x9e37_79b9_7f4a_7c15))
    for byte in bytes {
      first = (first ^ UInt64(byte)) &* 0x100_0000_01b3
      second = (second ^ UInt64(byte)) &* 0x100_0000_01b3
      second ^= second >> 29
    }
    return [first, second].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}
