import Foundation
import Testing

@testable import Flambeau

/// float32 functions as a GPU computes them, by hardware that is off by a unit in the last place wherever it may be, beside float64.
@Suite(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) struct QuickFunctionTests {
  private typealias Function = @convention(c) (Double, Double) -> Double

  /// Units in the last place that the function may be wrong by between two arguments.
  private static let bounds: [(name: String, from: Double, to: Double, most: Double)] = [
    ("exp", -104, 88.7, 2), ("exp", -1, 1, 2), ("exp2", -149, 127.9, 2), ("tanh", -9, 9, 1), ("erf", -4, 4, 3),
    ("erfc", -4, 9, 9), ("sigmoid", -80, 20, 5), ("silu", -80, 20, 5), ("softplus", -30, 30, 4), ("gelu", -5, 5, 8),
    ("gelu", -13, -5, 11), ("gelu_tanh", -5, 5, 6),
  ]

  @Test func errorsAreSmallAtTheirWorst() throws {
    let names = Set(Self.bounds.map(\.name)).sorted()
    let functions = names.map {
      "extern \"C\" __attribute__((visibility(\"default\"))) double error_\($0)(double from, double to) { return worst<op_\($0)>(from, to); }\n"
    }
    let text = """
      #include "cuda.h"
      \(KernelSource.prelude)
      template <class Op> double worst(double from, double to) {
        double most = 0;
        for (int i = 0; i < 200000; i++) {
          const float x = (float)(from + (to - from) * (i + 0.37) / 200000);
          const double y = Op::of(Lanes<float>(x)).v, exact = Op::of(Lanes<double>((double)x)).v;
          const float size = fabsf((float)exact);
          const double error = fabs(y - exact) / (nextafterf(size, INFINITY) - size);
          if (!(error <= most)) most = error;
        }
        return most;
      }
      \(functions.joined())
      """
    try EmulatedKernels.withFolder { folder in
      let object = try EmulatedKernels.compile(text, in: folder, "-O1", "-w", "-DEMULATION_AT_WORST")
      let library = try #require(dlopen(object.path, RTLD_NOW | RTLD_LOCAL))
      defer { dlclose(library) }
      for bound in Self.bounds {
        let function = unsafeBitCast(try #require(dlsym(library, "error_\(bound.name)")), to: Function.self)
        let error = function(bound.from, bound.to)
        #expect(error <= bound.most, "\(bound.name) between \(bound.from) and \(bound.to): \(error)")
        // The hardware's part is there to be seen.
        if bound.name == "exp" { #expect(error > 1) }
      }
    }
  }
}
