// swift-tools-version: 6.2
import PackageDescription

// Debug builds keep the numerical core optimised, so that a user's debug run stays usable.
let optimisedInDebug: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
  name: "flambeau",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Flambeau", targets: ["Flambeau"]),
    .library(name: "FlambeauNN", targets: ["FlambeauNN"]),
    .library(name: "FlambeauFormats", targets: ["FlambeauFormats"]),
  ],
  targets: [
    .target(
      name: "CKernels",
      exclude: ["data"],
      cxxSettings: [
        .unsafeFlags(["-O3", "-fno-exceptions", "-fno-rtti", "-ffp-contract=off", "-fno-math-errno"])
      ]),
    .target(name: "Flambeau", dependencies: ["CKernels"], swiftSettings: optimisedInDebug),
    .target(name: "FlambeauNN", dependencies: ["Flambeau"], swiftSettings: optimisedInDebug),
    .target(name: "FlambeauFormats", dependencies: ["Flambeau"], swiftSettings: optimisedInDebug),
    .testTarget(name: "FlambeauTests", dependencies: ["Flambeau"]),
    .testTarget(name: "FlambeauNNTests", dependencies: ["FlambeauNN"]),
    .testTarget(name: "FlambeauFormatsTests", dependencies: ["FlambeauFormats"]),
  ],
  cLanguageStandard: .c2x,
  cxxLanguageStandard: .cxx17
)
