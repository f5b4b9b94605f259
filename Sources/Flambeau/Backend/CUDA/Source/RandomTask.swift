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
    /// Powers of e with normal exponents. Floating-point dtypes.
    case logNormal(mean: Double, std: Double)
    /// Density rate · exp(−rate · x). Floating-point dtypes.
    case exponential(rate: Double)
    /// Cauchy's. Floating-point dtypes.
    case cauchy(median: Double, sigma: Double)
    /// The number of the first success, which has the probability.
    case geometric(Double)
    /// 1 with the probability, else 0.
    case bernoulli(Double)
    /// The same with a probability for each element, of a floating-point dtype, in the output's shape.
    case bernoulliOf(Elements)
    /// How many events happen where each element says how many are expected; see ``SkewedDraws``. The rates are like the probabilities.
    case poissonOf(Elements)
    /// 1 with the probability, else 0; where it is 1, `result` becomes `input` divided by the probability, else 0. Floating-point dtypes, and
    /// any for the output.
    case dropout(keeping: Double, of: Elements, into: Elements)

    /// What goes with each element beside the output.
    fileprivate var elements: [Elements] {
      switch self {
      case .bernoulliOf(let parameters), .poissonOf(let parameters): [parameters]
      case .dropout(_, let input, let result): [input, result]
      case .uniform, .normal, .integers, .logNormal, .exponential, .cauchy, .geometric, .bernoulli: []
      }
    }
  }

  private(set) var distribution: Distribution
  private let seed: UInt64
  /// The memory that has the seed instead, eight bytes.
  private var seedPlace: Elements?
  private let offset: UInt64
  private(set) var output: Elements

  /// Takes the blocks it needs from `state`, whose seed is in memory if `seedPlace` is given.
  init(_ distribution: Distribution, from state: inout PhiloxState, seedPlace: Elements? = nil, into output: Elements) {
    (self.distribution, self.seedPlace, self.output) = (distribution, seedPlace, output)
    seed = state.seed
    let perBlock = RandomTask.perBlock(distribution, output.dtype)
    offset = state.advance(by: (output.layout.elementCount + perBlock - 1) / perBlock)
  }

  var operands: [Elements] { elementwise + [seedPlace].compactMap { $0 } }
  private var elementwise: [Elements] { [output] + distribution.elements }
  var results: [Elements] {
    if case .dropout(_, _, let result) = distribution { return [output, result] }
    return [output]
  }

  func mapOperands(_ f: (Elements) -> Elements) -> RandomTask {
    var copy = self
    copy.output = f(output)
    switch distribution {
    case .bernoulliOf(let probabilities): copy.distribution = .bernoulliOf(f(probabilities))
    case .poissonOf(let rates): copy.distribution = .poissonOf(f(rates))
    case .dropout(let kept, let input, let result): copy.distribution = .dropout(keeping: kept, of: f(input), into: f(result))
    case .uniform, .normal, .integers, .logNormal, .exponential, .cauchy, .geometric, .bernoulli: break
    }
    copy.seedPlace = seedPlace.map(f)
    return copy
  }

  struct Attributes: Hashable {
    enum Kind: Hashable {
      case uniform, normal, logNormal, exponential, cauchy, geometric, integers(Width), bernoulli, bernoulliOf, poissonOf, dropout
    }

    /// What a range is drawn from.
    enum Width { case word, twoWords, all }

    let kind: Kind
    let hasSeedPlace: Bool
  }

  var attributes: Attributes { Attributes(kind: kind, hasSeedPlace: seedPlace != nil) }

  private var kind: Attributes.Kind {
    switch distribution {
    case .uniform: .uniform
    case .normal: .normal
    case .logNormal: .logNormal
    case .exponential: .exponential
    case .cauchy: .cauchy
    case .geometric: .geometric
    case .integers(_, let range): .integers(range == 0 ? .all : range > 1 << 32 ? .twoWords : .word)
    case .bernoulli: .bernoulli
    case .bernoulliOf: .bernoulliOf
    case .poissonOf: .poissonOf
    case .dropout: .dropout
    }
  }

  /// Seed and offset, then the distribution's.
  var numbers: [Number] {
    let own: [Number] =
      switch distribution {
      case .uniform(let from, let to): [Number(from), Number(to - from), Number(to)]
      case .normal(let mean, let std), .logNormal(let mean, let std): [Number(mean), Number(std)]
      case .exponential(let rate): [Number(-1 / rate)]
      case .cauchy(let median, let sigma): [Number(median), Number(sigma)]
      case .geometric(let p): [Number(p)]
      case .integers(let low, let range): [Number(low), Number(Int64(bitPattern: range))]
      case .bernoulli(let p): [RandomTask.bound(p)]
      case .dropout(let kept, _, _): [RandomTask.bound(kept), Number(1 / kept)]
      case .bernoulliOf, .poissonOf: []
      }
    return [Number(Int64(bitPattern: seed)), Number(Int64(bitPattern: offset))] + own
  }

  /// The first word that does not mean 1.
  private static func bound(_ probability: Double) -> Number { Number(Int((probability * 0x1p32).rounded(.up))) }

  /// Elements that four words make.
  private static func perBlock(_ distribution: Distribution, _ dtype: DType) -> Int {
    switch distribution {
    case .uniform, .normal, .logNormal, .exponential, .cauchy: dtype == .float64 ? 2 : 4
    case .geometric: 2
    case .integers(_, let range): range == 0 || range > 1 << 32 ? 2 : 4
    case .bernoulli, .bernoulliOf, .dropout: 4
    // They have as many words as they need, those of their block and of others that no number counts.
    case .poissonOf: 1
    }
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let count = output.layout.elementCount
    if count == 0 { return }
    let perBlock = RandomTask.perBlock(distribution, output.dtype)
    let axes = KernelAxes(elementwise: elementwise, wide: wide)
    let blocks = (count + perBlock - 1) / perBlock

    var arguments = KernelArguments()
    for (i, operand) in elementwise.enumerated() { arguments.address("p\(i)", operand.address) }
    if let seedPlace { arguments.address("seed_place", seedPlace.address) }
    arguments.integer("count", count)
    arguments.integer("blocks", blocks)
    declare(in: &arguments)
    axes.declare(in: &arguments)
    let body = """
        const uint64_t seed = \(seedPlace == nil ? "(uint64_t)a.seed" : "plain<uint64_t>(a.seed_place, 0)");
        const int64_t step = (int64_t)gridDim.x * blockDim.x;
        for (int64_t block = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; block < a.blocks; block += step) {
          const Words words = words_of(block + a.offset, seed);
      \(isTogether ? together(perBlock) : alone(perBlock, axes))  }

      """
    var parts = RandomTask.parts
    if case .poissonOf = distribution { parts += RandomTask.poisson }
    let source = KernelSource("random", arguments: arguments.declaration, parts: parts, body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((blocks + 255) / 256), 1), arguments))
  }

  private var computeClass: ComputeClass { output.dtype.computeClass }

  /// A block's elements lie side by side, where they can be written together.
  private var isTogether: Bool {
    let perBlock = RandomTask.perBlock(distribution, output.dtype)
    return perBlock > 1
      && elementwise.allSatisfy {
        $0.layout.isContiguous && UInt(bitPattern: $0.address) % UInt(Swift.min(16, perBlock * $0.dtype.byteCount)) == 0
      }
  }

  private func declare(in arguments: inout KernelArguments) {
    let (names, own): ([String], ComputeClass) =
      switch distribution {
      case .uniform: (["from", "span", "to"], computeClass)
      case .normal, .logNormal: (["mean", "std"], computeClass)
      case .exponential: (["scale"], computeClass)
      case .cauchy: (["median", "sigma"], computeClass)
      case .geometric: (["p"], fb_f64)
      case .integers: (["low", "range"], fb_i64)
      case .bernoulli: (["bound"], fb_i64)
      case .dropout(_, let input, _): (["bound", "scale"], input.dtype.computeClass)
      case .bernoulliOf, .poissonOf: ([], fb_i64)
      }
    let numbers = numbers
    for (place, name) in (["seed", "offset"] + names).enumerated() where place > 0 || seedPlace == nil {
      arguments.number(name, place, of: numbers, in: place < 2 || name == "bound" ? fb_i64 : own)
    }
  }

  // MARK: Text

  /// What makes the elements of a block of `words`, one by one.
  private func alone(_ perBlock: Int, _ axes: KernelAxes) -> String {
    """
      #pragma unroll
        for (int k = 0; k < \(perBlock); k++) {
          const int64_t number = block * \(perBlock) + k;
          if (number >= a.count) break;
          const \(axes.counter) i = (\(axes.counter))number;
    \(axes.text("i", declaring: elementwise.indices.map { "at\($0)" }))\(drawn)    }

    """
  }

  /// The same, each operand's in one access.
  private func together(_ perBlock: Int) -> String {
    var (before, after) = ("", "")
    for (i, operand) in elementwise.enumerated() {
      let type = "\(operand.dtype.deviceName), \(perBlock)"
      if i == 1 {
        before +=
          "    const Pack<\(type)> e1 = is_whole ? pack<\(type)>(a.p1, first) : part_of_pack<\(type)>(a.p1, first, first, a.count);\n"
      } else {
        before += "    Pack<\(type)> e\(i);\n"
        after += """
              if (is_whole) put_pack<\(type)>(a.p\(i), first, e\(i));
              else put_part_of_pack<\(type)>(a.p\(i), first, first, a.count, e\(i));

          """
      }
    }
    return """
          const int64_t first = block * \(perBlock);
          const bool is_whole = first + \(perBlock) <= a.count;
      \(before)#pragma unroll
          for (int k = 0; k < \(perBlock); k++) {
      \(drawn)    }
      \(after)
      """
  }

  /// A statement that writes the k-th element of the block's in an operand, computed in the class `c`.
  private func write(_ operand: Int, _ c: String, _ value: String) -> String {
    let types = "\(c), \(elementwise[operand].dtype.deviceName)"
    return isTogether
      ? "set_element<\(types)>(e\(operand), k, \(value));" : "put<\(types)>(a.p\(operand), at\(operand), \(value));"
  }

  /// What the k-th element of the block's in the second operand is.
  private func read(_ c: String) -> String {
    let types = "\(c), \(elementwise[1].dtype.deviceName)"
    return isTogether ? "element_of<\(types)>(e1, k)" : "element<\(types)>(a.p1, at1)"
  }

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
            \(write(0, c, "x"))

        """
    case .normal: return gaussian { $0 }
    case .logNormal: return gaussian { "op_exp::of(\($0))" }
    case .exponential:
      // Above 0, as the logarithm of the number before 1 is below.
      let half = isWide ? "0x1p-53" : "0x1p-24f"
      return """
            const \(c) u = \(unit);
            \(write(0, c, "Lanes<\(c)>((u >= 1 - \(half) ? -\(half) : op_log::of(Lanes<\(c)>(u)).v) * a.scale)"))

        """
    case .cauchy:
      // As far from 0 and 1 as torch's.
      let least = isWide ? "0x1p-52" : "0x1p-23f"
      return """
            const \(c) u = \(unit), inner = u > 1 - \(least) ? 1 - \(least) : u < \(least) ? \(least) : u;
            const Lanes<\(c)> angle((\(c))3.141592653589793238463 * (inner - (\(c))0.5));
            \(write(0, c, "mad<Lanes<\(c)>>(Lanes<\(c)>(a.sigma), op_tan::of(angle), Lanes<\(c)>(a.median))"))

        """
    case .geometric:
      // The logarithm of 1 is no trial, and int64 ends below 2^63.
      let trial = "fmin(fmax(ceil(log((double)((words.wide(k) >> 11) + 1) * 0x1p-53) / log1p(-a.p)), 1.0), 0x1.fffffffffffffp62)"
      return "    \(write(0, "int64_t", "Lanes<int64_t>((int64_t)\(trial))"))\n"
    case .integers(_, let range):
      let number =
        range == 0 ? "words.wide(k)" : range > 1 << 32 ? "words.wide(k) % (uint64_t)a.range" : "words.word[k] % (uint64_t)a.range"
      return "    \(write(0, "int64_t", "Lanes<int64_t>((int64_t)((uint64_t)a.low + \(number)))"))\n"
    case .bernoulli:
      return "    \(write(0, "int64_t", "Lanes<int64_t>((int64_t)(words.word[k] < (uint64_t)a.bound))"))\n"
    case .bernoulliOf:
      return
        "    const double p = \(read("double")).v;\n"
        + "    \(write(0, "int64_t", "Lanes<int64_t>((int64_t)((double)words.word[k] * 0x1p-32 < p))"))\n"
    case .dropout(_, let input, _):
      let x = input.dtype.computeClass.deviceName
      return """
            const bool stays = words.word[k] < (uint64_t)a.bound;
            \(write(2, x, "op_mul::of(\(read(x)), Lanes<\(x)>(stays ? a.scale : (\(x))0))"))
            \(write(0, "int64_t", "Lanes<int64_t>((int64_t)stays)"))

        """
    case .poissonOf:
      return """
            Units units{(uint64_t)(block + a.offset), seed, 0, words, 0};
            \(write(0, "double", "Lanes<double>(events(units, \(read("double")).v))"))

        """
    }
  }

  /// A number in (0, 1] of the k-th word or words.
  private var unit: String {
    output.dtype == .float64 ? "(double)((words.wide(k) >> 11) + 1) * 0x1p-53" : "(float)words.word[k] * 0x1p-32f + 0x1p-33f"
  }

  /// What `finish` makes of normal numbers.
  private func gaussian(_ finish: (String) -> String) -> String {
    let c = computeClass.deviceName
    let isWide = output.dtype == .float64
    let (first, second) = isWide ? ("words.wide(0)", "words.wide(1)") : ("words.word[k & 2]", "words.word[k | 1]")
    // In (0, 1], and in [0, 1).
    let (u, v) =
      isWide
      ? ("(double)((\(first) >> 11) + 1) * 0x1p-53", "(double)(\(second) >> 11) * 0x1p-53")
      : ("(float)\(first) * 0x1p-32f + 0x1p-33f", "(float)(\(second) >> 8) * 0x1p-24f")
    let number = "mad<V>(radius * (k % 2 == 0 ? op_cos::of(turn) : op_sin::of(turn)), V(a.std), V(a.mean))"
    return """
          typedef Lanes<\(c)> V;
          const V u = V(\(u)), turn = V(\(v)) * V((\(c))6.283185307179586476925);
          const V radius = __builtin_elementwise_sqrt(op_log::of(u) * V((\(c))-2));
          \(write(0, c, finish(number)))

      """
  }

  private static let parts = """
    struct Words {
      uint32_t word[4];
      FB_INLINE uint64_t wide(int k) const { return (uint64_t)word[2 * k + 1] << 32 | word[2 * k]; }
    };

    /// Philox4x32, ten rounds.
    FB_INLINE Words words_of(uint64_t block, uint64_t seed, uint32_t turn = 0) {
      uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = turn, c3 = 0;
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

  /// The CPU's methods: how many uniform factors keep a product above exp(−rate), and Hörmann's transformed rejection for large rates.
  private static let poisson = """
    /// Numbers in [0, 1), as many as one element asks for.
    struct Units {
      uint64_t block, seed;
      uint32_t turn;
      Words words;
      int used;
      FB_INLINE double next() {
        if (used == 2) words = words_of(block, seed, ++turn), used = 0;
        return (double)(words.wide(used++) >> 11) * 0x1p-53;
      }
    };

    FB_INLINE double events(Units &units, double rate) {
      // None of what is no rate, which is reported: nothing below would come to an end.
      if (!(rate >= 0)) return 0;
      if (rate < 10) {
        const double limit = exp(-rate);
        double count = 0;
        if (rate > 0) {
          for (double product = units.next(); product > limit; product *= units.next()) count++;
        }
        return count;
      }
      const double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
      const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), narrow = 0.9277 - 3.6224 / (b - 2), log_rate = log(rate);
      while (true) {
        const double u = units.next() - 0.5, v = units.next(), edge = 0.5 - fabs(u);
        const double k = floor((2 * a / edge + b) * u + rate + 0.43);
        if (edge >= 0.07 && v <= narrow) return k;
        if (k < 0 || (edge < 0.013 && v > edge)) continue;
        if (log(v) + log(inverse_alpha) - log(a / (edge * edge) + b) <= -rate + k * log_rate - fb_log_gamma(k + 1)) return k;
      }
    }


    """
}
