// swift-tools-version: 6.2
import PackageDescription

// Debug builds keep the numerical core optimised, so that a user's debug run stays usable.
let optimisedInDebug: [SwiftSetting] = [
  .unsafeFlags(["-O"], .when(configuration: .debug)), .unsafeFlags(["-enforce-exclusivity=unchecked"]),
]

let package = Package(
  name: "flambeau",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Flambeau", targets: ["Flambeau"]),
    .library(name: "FlambeauNN", targets: ["FlambeauNN"]),
    .library(name: "FlambeauModels", targets: ["FlambeauModels"]),
    .library(name: "FlambeauFormats", targets: ["FlambeauFormats"]),
    .library(name: "FlambeauData", targets: ["FlambeauData"]),
    .library(name: "FlambeauTraining", targets: ["FlambeauTraining"]),
    .library(name: "FlambeauText", targets: ["FlambeauText"]),
    .executable(name: "flambeau", targets: ["FlambeauCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    // `swift package generate-documentation`.
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"),
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
    .target(name: "FlambeauModels", dependencies: ["Flambeau", "FlambeauNN"], swiftSettings: optimisedInDebug),
    .target(name: "FlambeauFormats", dependencies: ["Flambeau"], swiftSettings: optimisedInDebug),
    .target(
      name: "FlambeauData",
      dependencies: ["Flambeau", "FlambeauFormats", "CKernels", .product(name: "SwiftCSV", package: "SwiftCSV")],
      swiftSettings: optimisedInDebug),
    .target(name: "CUnicode", exclude: ["data"]),
    .target(
      name: "FlambeauText", dependencies: ["Flambeau", "FlambeauFormats", "CUnicode"], swiftSettings: optimisedInDebug),
    .target(
      name: "FlambeauTraining", dependencies: ["Flambeau", "FlambeauNN", "FlambeauFormats", "FlambeauData"],
      swiftSettings: optimisedInDebug),
    // The product is `flambeau`; a target of that name would differ from `Flambeau` only by case.
    .executableTarget(
      name: "FlambeauCLI",
      dependencies: [
        "Flambeau", "FlambeauNN", "FlambeauModels", "FlambeauData", "FlambeauFormats", "FlambeauText", "FlambeauTraining",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "Tour", dependencies: ["Flambeau", "FlambeauNN", "FlambeauData", "FlambeauFormats"], path: "Examples/Tour"),
    .executableTarget(name: "PhotoLoading", dependencies: ["Flambeau", "FlambeauData"], path: "Examples/PhotoLoading"),
    // What tests of several targets share.
    .target(name: "TestSupport", dependencies: ["Flambeau"], path: "Tests/TestSupport"),
    .testTarget(name: "FlambeauTests", dependencies: ["Flambeau", "TestSupport"]),
    .testTarget(name: "FlambeauNNTests", dependencies: ["FlambeauNN", "FlambeauModels", "FlambeauData", "TestSupport"]),
    .testTarget(name: "FlambeauModelsTests", dependencies: ["FlambeauModels", "FlambeauFormats", "TestSupport"]),
    .testTarget(name: "FlambeauFormatsTests", dependencies: ["FlambeauFormats", "FlambeauText", "TestSupport"]),
    .testTarget(name: "FlambeauDataTests", dependencies: ["FlambeauData", "TestSupport"]),
    .testTarget(name: "FlambeauTrainingTests", dependencies: ["FlambeauTraining", "FlambeauModels", "TestSupport"]),
    .testTarget(name: "FlambeauTextTests", dependencies: ["FlambeauText", "TestSupport"]),
    .testTarget(name: "FlambeauCLITests", dependencies: ["FlambeauCLI", "TestSupport"]),
  ],
  cLanguageStandard: .c2x,
  cxxLanguageStandard: .cxx17
)
