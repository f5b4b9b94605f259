@testable import Flambeau

/// Where special numbers give something else than torch, and why.
extension SpecialPoints {
  private struct Exception {
    let places: [String]
    let isGradient: Bool
    let reason: String
  }

  private static let exceptions = [
    Exception(
      places: ["binary.fmax", "binary.fmin", "selections.lerp", "activations.logSigmoid", "activations.softshrink"],
      isGradient: false, reason: "the sign of a zero, which torch's scalar and vector loops choose differently"),
    Exception(
      places: ["binary.remainder", "binary.fmod"], isGradient: false,
      reason: "exact here; torch's vector loop gives NaN where the quotient overflows"),
    Exception(
      places: ["selections.subScaled", "losses.klDiv", "activations.softsign"], isGradient: false,
      reason: "a step on the way overflows on one side only: torch's small integers and half types between steps, or a product"),
    Exception(
      places: ["activations.gelu", "feedForwards"], isGradient: false,
      reason: "gelu(∞) is ∞ here; torch's vector loop gives ∞ · 0"),
    Exception(
      places: ["activations.gelu", "activations.silu", "binary.pow", "feedForwards"], isGradient: true,
      reason: "the limit at an infinity here, torch's formula gives NaN"),
    Exception(
      places: ["losses.mse.total", "losses.klDiv"], isGradient: true,
      reason: "the mean's share is taken before a product that overflows, or after"),
    Exception(
      places: ["selections.clampTensors", "unary.logit"], isGradient: true,
      reason: "NaN among the operands: torch masks the gradient, here it is NaN's own"),
    Exception(
      places: ["selections.lerp"], isGradient: true,
      reason: "an infinite weight: torch takes one minus it before the product, here after"),
    Exception(
      places: ["variances.composites"], isGradient: false,
      reason: "the mean of an infinity is infinite here, NaN in torch's Welford"),
    Exception(
      places: ["distributionFunctions.erfcx", "distributionFunctions.logNdtr"], isGradient: true,
      reason: "the limit at an infinity, or next to it, on one side only"),
    Exception(
      places: ["randomActivations", "specialFunctions.digamma", "specialFunctions.polygamma", "specialFunctions.i1"],
      isGradient: true, reason: "the limit at an infinity here, torch's formula gives NaN; and the other way round at a NaN"),
    Exception(
      places: ["specialFunctions.zeta"], isGradient: false, reason: "the limit at an infinity here, torch's formula gives NaN"),
    Exception(
      places: ["specialFunctions.digamma", "specialFunctions.polygamma"], isGradient: false,
      reason: "infinite at the poles here; torch adds up what is near them"),
    Exception(
      places: ["specialFunctions.i1", "signs.signBit", "floatSteps.logAddExp2"], isGradient: false,
      reason: "the sign of a zero or of NaN, and torch's magnitude of the least integer, which wraps"),
    Exception(
      places: ["marginLosses"], isGradient: true, reason: "at the hinge itself either slope is one"),
    Exception(places: ["divisions.gcd"], isGradient: false, reason: "torch's magnitude of the least integer wraps"),
    Exception(
      places: ["scatterReductions"], isGradient: true,
      reason: "ties: torch counts the place itself among them even where it is not included"),
    Exception(places: ["counts.mode"], isGradient: false, reason: "which NaN counts as which"),
    Exception(
      places: ["interpolations.map"], isGradient: false,
      reason: "a weight of 0 beside an infinity: torch multiplies, here it is not read"),
    Exception(
      places: [
        "convolutions.conv2d", "convolutionRanks", "transposedConvolutions", "gridSampling", "groupNorms",
        "instanceNorms", "attentions", "embeddingBags", "tensorProducts", "marginLosses", "likelihoodLosses",
      ], isGradient: false,
      reason: "which neighbours a NaN or an infinity spoils depends on the order of computation"),
  ]

  /// Of special numbers only. Which gradients a NaN or an infinity among many operands spoils depends on the formula that
  /// is differentiated, so there only results are compared.
  static func isExcused(_ sampleCase: SampleCase, _ isGradient: Bool) -> Bool {
    guard sampleCase.isSpecial else { return false }
    if isGradient && (sampleCase.variant.hasPrefix("a") || sampleCase.variant.hasPrefix("infinities")) { return true }
    return exceptions.contains { exception in
      exception.isGradient == isGradient && exception.places.contains { sampleCase.entry.place.hasPrefix($0) }
    }
  }
}
