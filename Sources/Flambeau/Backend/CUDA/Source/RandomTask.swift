import CKernels

/// Elements become Philox's random numbers: the i-th in row-major order is the same on every GPU, whatever threads there are.
struct RandomTask: KernelTask {
  enum Distribution {
    /// [from, to), in steps of as many bits as the dtype's significand has. Floating-point dtypes.
    case uniform(from: Double, to: Double)
    /// By Box and Muller's method. Floating-point dtypes.
    case normal(mean: Double, std: Double)
    /// low ..< low + range, wrapping; a range of 0 stands for 2^64.
    case integers(low: Int64, range: UInt64)
    /// 1 with the probability, else 0.
    case bernoulli(Double)
    /// The same with a probability for each element, of a floating-point dtype, in the output's shape.
    case bernoulliOf(Elements)
  }

  private(set) var distribution: Distribution
  private let seed: UInt64
  private let offset: UInt64
  private(set) var output: Elements

  /// Takes the blocks it needs from `state`.
  init(_ distribution: Distribution, from state: inout PhiloxState, into output: Elements) {
    (self.distribution, self.output) = (distribution, output)
    seed = state.seed
    let perBlock = RandomTask.perBlock(distribution, output.dtype)
    offset = state.advance(by: (output.layout.elementCount + perBlock - 1) / perBlock)
  }

  var operands: [Elements] {
    if case .bernoulliOf(let probabilities) = distribution { [output, probabilities] } else { [output] }
  }
  var results: [Elements] { [output] }

  func mapOperands(_ f: (Elements) -> Elements) -> RandomTask {
    var copy = self
    copy.output = f(output)
    if case .bernoulliOf(let probabilities) = distribution { copy.distribution = .bernoulliOf(f(probabilities)) }
    return copy
  }

  enum Attributes: Hashable {
    case uniform, normal, integers(Width), bernoulli, bernoulliOf

    /// What a range is drawn from.
    enum Width { case word, twoWords, all }
  }

  var attributes: Attributes {
    switch distribution {
    case .uniform: .uniform
    case .normal: .normal
    case .integers(_, let range): .integers(range == 0 ? .all : range > 1 << 32 ? .twoWords : .word)
    case .bernoulli: .bernoulli
    case .bernoulliOf: .bernoulliOf
    }
  }

  /// Seed and offset, then the distribution's.
  var numbers: [Number] {
    let own: [Number] =
      switch distribution {
      case .uniform(let from, let to): [Number(from), Number(to - from), Number(to)]
      case .normal(let mean, let std): [Number(mean), Number(std)]
      case .integers(let low, let range): [Number(low), Number(Int64(bitPattern: range))]
      case .bernoulli(let p): [Number(Int((p * 0x1p32).rounded(.up)))]
      case .bernoulliOf: []
      }
    return [Number(Int64(bitPattern: seed)), Number(Int64(bitPattern: offset))] + own
  }

  /// Elements that four words make.
  private static func perBlock(_ distribution: Distribution, _ dtype: DType) -> Int {
    switch distribution {
    case .uniform, .normal: dtype == .float64 ? 2 : 4
    case .integers(_, let range): range == 0 || range > 1 << 32 ? 2 : 4
    case .bernoulli, .bernoulliOf: 4
    }
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let layout = output.layout
    let count = layout.elementCount
    if count == 0 { return }
    let perBlock = RandomTask.perBlock(distribution, output.dtype)
    let kept = (0..<layout.rank).filter { layout.shape.at($0) != 1 }
    let isFlat = operands.allSatisfy(\.layout.isContiguous)
    let axes = KernelAxes(
      name: "", sizes: isFlat ? [count] : kept.map(layout.shape.at),
      strides: operands.map { operand in isFlat ? [1] : kept.map(operand.layout.strides.at) },
      isWide: wide || KernelAxes.needsWide(count, operands))
    let blocks = (count + perBlock - 1) / perBlock

    var arguments = KernelArguments()
    for (i, operand) in operands.enumerated() { arguments.address("p\(i)", operand.address) }
    arguments.integer("count", count)
    arguments.integer("blocks", blocks)
    declare(in: &arguments)
    axes.declare(in: &arguments)
    let positions = operands.indices.map { "at\($0)" }
    let counter = axes.counter
    let body = """
        const int64_t step = (int64_t)gridDim.x * blockDim.x;
        for (int64_t block = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; block < a.blocks; block += step) {
          const Words words = words_of(block + a.offset, a.seed);
      #pragma unroll
          for (int k = 0; k < \(perBlock); k++) {
            const int64_t number = block * \(perBlock) + k;
            if (number >= a.count) break;
            const \(counter) i = (\(counter))number;
            \(axes.position) \(positions.map { "\($0) = 0" }.joined(separator: ", "));
      \(axes.text("i", positions))\(drawn)    }
        }

      """
    let source = KernelSource("random", arguments: arguments.declaration, parts: RandomTask.parts, body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((blocks + 255) / 256), 1), arguments))
  }

  private var computeClass: ComputeClass { output.dtype.computeClass }

  private func declare(in arguments: inout KernelArguments) {
    let (names, own): ([String], ComputeClass) =
      switch distribution {
      case .uniform: (["from", "span", "to"], computeClass)
      case .normal: (["mean", "std"], computeClass)
      case .integers: (["low", "range"], fb_i64)
      case .bernoulli: (["bound"], fb_i64)
      case .bernoulliOf: ([], fb_i64)
      }
    let numbers = numbers
    for (place, name) in (["seed", "offset"] + names).enumerated() {
      arguments.number(name, place, of: numbers, in: place < 2 ? fb_i64 : own)
    }
  }

  // MARK: Text

  /// Statements that make the k-th element of a block of `words`.
  private var drawn: String {
    let dtype = output.dtype
    let (c, s) = (computeClass.deviceName, dtype.deviceName)
    let isWide = dtype == .float64
    switch distribution {
    case .uniform:
      let bits = [DType.float16: 11, .bfloat16: 8, .float32: 24][dtype] ?? 53
      let word = isWide ? "words.wide(k)" : "words.word[k]"
      // Rounding may reach the upper end, which is none of the numbers.
      return """
            Lanes<\(c)> x = mad<Lanes<\(c)>>(Lanes<\(c)>((\(c))(\(word) >> \((isWide ? 64 : 32) - bits)) * (\(c))\(Double(sign: .plus, exponent: -bits, significand: 1))), Lanes<\(c)>(a.span), Lanes<\(c)>(a.from));
            if (converted<\(c), \(s)>(stored<\(c), \(s), 1>(x)).v >= a.to) x = Lanes<\(c)>(a.from);
            put<\(c), \(s)>(a.p0, at0, x);

        """
    case .normal:
      let (first, second) = isWide ? ("words.wide(0)", "words.wide(1)") : ("words.word[k & 2]", "words.word[k | 1]")
      // In (0, 1], and in [0, 1).
      let (u, v) =
        isWide
        ? ("(double)((\(first) >> 11) + 1) * 0x1p-53", "(double)(\(second) >> 11) * 0x1p-53")
        : ("(float)\(first) * 0x1p-32f + 0x1p-33f", "(float)(\(second) >> 8) * 0x1p-24f")
      return """
            typedef Lanes<\(c)> V;
            const V u = V(\(u)), turn = V(\(v)) * V((\(c))6.283185307179586476925);
            const V radius = __builtin_elementwise_sqrt(op_log::of(u) * V((\(c))-2));
            put<\(c), \(s)>(a.p0, at0, mad<V>(radius * (k % 2 == 0 ? op_cos::of(turn) : op_sin::of(turn)), V(a.std), V(a.mean)));

        """
    case .integers(_, let range):
      let number =
        range == 0 ? "words.wide(k)" : range > 1 << 32 ? "words.wide(k) % (uint64_t)a.range" : "words.word[k] % (uint64_t)a.range"
      return "    put<int64_t, \(s)>(a.p0, at0, Lanes<int64_t>((int64_t)((uint64_t)a.low + \(number))));\n"
    case .bernoulli:
      return "    put<int64_t, \(s)>(a.p0, at0, Lanes<int64_t>((int64_t)(words.word[k] < (uint64_t)a.bound)));\n"
    case .bernoulliOf(let probabilities):
      return
        "    const double p = element<double, \(probabilities.dtype.deviceName)>(a.p1, at1).v;\n"
        + "    put<int64_t, \(s)>(a.p0, at0, Lanes<int64_t>((int64_t)((double)words.word[k] * 0x1p-32 < p)));\n"
    }
  }

  private static let parts = """
    struct Words {
      uint32_t word[4];
      FB_INLINE uint64_t wide(int k) const { return (uint64_t)word[2 * k + 1] << 32 | word[2 * k]; }
    };

    /// Philox4x32, ten rounds.
    FB_INLINE Words words_of(uint64_t block, uint64_t seed) {
      uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = 0, c3 = 0;
      uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    #pragma unroll
      for (int round = 0; round < 10; round++) {
        const uint64_t p = (uint64_t)0xd2511f53u * c0, q = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)q, c3 = (uint32_t)p;
        k0 += 0x9e3779b9u, k1 += 0xbb67ae85u;
      }
      return Words{{c0, c1, c2, c3}};
    }


    """
}
