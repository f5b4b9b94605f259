import CKernels

/// What is computed along lines besides sums and products: see ``Scan`` and ``Counts``.
struct LineTask: KernelTask {
  enum Kind: Hashable {
    /// x → the largest or smallest up to each element, and its place: of equal ones the last, or the first NaN.
    case extreme(largest: Bool)
    /// x → log Σ eˣ up to each element.
    case logSumExp
    /// a, b → h[i] = b[i] + a[i]·h[i−1]; reversed, h[i] = b[i] + a[i+1]·h[i+1].
    case recurrence(isReversed: Bool)
    /// x in order, and where its elements come from → the most frequent of each line, and its last place.
    case mode
  }

  private let kind: Kind
  private let dim: Int
  private(set) var inputs: [Elements]
  private(set) var results: [Elements]

  init(_ kind: Kind, _ inputs: [Elements], dim: Int, into results: [Elements]) {
    (self.kind, self.dim, self.inputs, self.results) = (kind, dim, inputs, results)
  }

  var operands: [Elements] { results + inputs }

  func mapOperands(_ f: (Elements) -> Elements) -> LineTask {
    LineTask(kind, inputs.map(f), dim: dim, into: results.map(f))
  }

  struct Attributes: Hashable {
    let kind: Kind
    let dim: Int
  }

  var attributes: Attributes { Attributes(kind: kind, dim: dim) }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    var isReversed = false
    if case .recurrence(let reversed) = kind { isReversed = reversed }
    let launch = LineKernel(name: "line", steps: steps, operands: operands).launch(
      along: dim, of: inputs[0], in: computeClass, isReversed: isReversed, on: device, wide: wide)
    if let launch { work.launches.append(launch) }
  }

  private var computeClass: ComputeClass {
    switch kind {
    case .logSumExp: fb_f64
    default: inputs[0].dtype.computeClass
    }
  }

  // MARK: Text

  /// The element of operand `k`, a value of the class.
  private func read(_ k: Int, at i: String = "i") -> String {
    "element<C, \(operands[k].dtype.deviceName)>(a.p\(k), at\(k) + (\(i)) * a.step\(k))"
  }

  private func put(_ k: Int, _ value: String, as c: String = "C") -> String {
    "      put<\(c), \(operands[k].dtype.deviceName)>(a.p\(k), at\(k) + i * a.step\(k), \(value));\n"
  }

  private var steps: LineKernel.Steps {
    switch kind {
    case .extreme(let largest):
      LineKernel.Steps(
        state: "Placed<V>", fold: "FoldRunning", parts: LineTask.running(largest ? ">=" : "<="),
        read: "return State{\(read(2)), i};",
        write: put(0, "total.value") + put(1, "Lanes<int64_t>(total.at)", as: "int64_t"))
    case .logSumExp:
      LineKernel.Steps(
        state: "V", fold: "FoldLogSum", parts: LineTask.logSum, read: "return \(read(1));", write: put(0, "total"))
    case .recurrence(let isReversed):
      LineKernel.Steps(
        state: "Affine", fold: "FoldAffine", parts: LineTask.affine,
        read: "return State{i == 0 ? 0 : (double)\(read(1, at: isReversed ? "i - 1" : "i")).v, (double)\(read(2)).v};",
        write: put(0, "V((C)total.constant)"))
    case .mode:
      LineKernel.Steps(
        state: "Lanes<int64_t>", fold: "FoldMax", parts: LineTask.longest,
        // Where the run of equals that an element is in begins; −1: where the one before it does.
        read: "return State(i > 0 && \(read(2, at: "i - 1")).v == \(read(2)).v ? (int64_t)-1 : i);",
        write: """
                const V x = \(read(2));
                best = FoldLongest::join<Longest>(best, Longest{2 * (i - total.v + 1) + (x.v != x.v), i});

          """,
        result: (
          "Longest", "FoldLongest",
          """
              {
                const int64_t i = best.at;
                put<C, \(operands[0].dtype.deviceName)>(a.p0, at0, \(read(2)));
                put<int64_t, \(operands[1].dtype.deviceName)>(a.p1, at1, element<int64_t, \(operands[3].dtype.deviceName)>(a.p3, at3 + i * a.step3));
              }

          """
        ))
    }
  }

  private static func running(_ comparison: String) -> String {
    """
    struct FoldRunning {
      template <class S> static FB_INLINE S identity() { return S{V(0), -1}; }
      template <class S> static FB_INLINE S join(S a, S b) {
        if (b.at < 0 || (a.at >= 0 && a.value.v != a.value.v)) return a;
        return a.at < 0 || b.value.v != b.value.v || b.value.v \(comparison) a.value.v ? b : a;
      }
    };

    """
  }

  private static let logSum = """
    struct FoldLogSum {
      template <class S> static FB_INLINE S identity() { return S(lowest<double>); }
      template <class S> static FB_INLINE S join(S a, S b) {
        const S low = b.v < a.v ? b : a, high = b.v < a.v ? a : b;
        // Equal infinities have no difference.
        if ((low.v == high.v && low.v - low.v != 0) || low.v != low.v) return low;
        return high + op_log1p::of(op_exp::of(low - high));
      }
    };

    """

  /// h ↦ constant + factor·h
  private static let affine = """
    struct Affine {
      double factor, constant;
    };
    struct FoldAffine {
      template <class S> static FB_INLINE S identity() { return S{1, 0}; }
      template <class S> static FB_INLINE S join(S a, S b) { return S{a.factor * b.factor, b.constant + b.factor * a.constant}; }
    };

    """

  /// The longest run, of several the first: twice its length, one more where it is NaN, and its last place.
  private static let longest = """
    struct Longest {
      int64_t length, at;
    };
    struct FoldLongest {
      template <class S> static FB_INLINE S identity() { return S{0, 0x7fffffffffffffff}; }
      template <class S> static FB_INLINE S join(S a, S b) {
        return b.length > a.length || (b.length == a.length && b.at < a.at) ? b : a;
      }
    };

    """
}
