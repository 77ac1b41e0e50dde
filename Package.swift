// swift-tools-version: 6.3
// SPDX-License-Identifier: GPL-2.0-or-later
// The Swift half of rtpproxy.so as a static library, and every test of the project.

import PackageDescription

/// What ships is held to strict memory safety: each unsafe expression is marked, or it does not compile.
let shipping: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatWarning("StrictMemorySafety", as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "rtpproxy",
    products: [
        .library(name: "RTPProxyModule", type: .static, targets: ["ModuleABI"]),
        // What `make fuzz` links with libFuzzer, whose main it is called by.
        .library(name: "Fuzz", type: .static, targets: ["Fuzz"]),
    ],
    targets: [
        // The contract between the C glue and Swift.
        .systemLibrary(name: "RTPProxyABI", path: "Include"),

        // What ships, from the leaf up. A target sees only what stands in its list.
        .target(name: "Bytes", swiftSettings: shipping),
        .target(name: "SDP", dependencies: ["Bytes"], swiftSettings: shipping),
        .target(name: "ControlProtocol", dependencies: ["Bytes"], swiftSettings: shipping),
        .target(name: "SharedState", dependencies: ["Bytes"], swiftSettings: shipping),
        .target(name: "CPosix"),
        .target(name: "Transport", dependencies: ["Bytes", "CPosix"], swiftSettings: shipping),
        .target(
            name: "CallControl", dependencies: ["Bytes", "SDP", "ControlProtocol", "SharedState", "Transport"],
            swiftSettings: shipping),
        .target(
            name: "ModuleABI", dependencies: ["Bytes", "CallControl", "SharedState", "RTPProxyABI"],
            swiftSettings: shipping),

        // Tests.
        .target(
            name: "Fixtures", path: "Tests/Fixtures",
            exclude: ["body", "kamailio", "readme", "real", "sdp", "sipp", "torture", "webrtc"]),
        .target(name: "Namespaces", path: "Tests/Namespaces"),
        .target(
            name: "TestSupport", dependencies: ["Namespaces"], path: "Tests/Support", exclude: ["Agents"]),
        .executableTarget(name: "demo", dependencies: ["TestSupport"], path: "Tests/Demo"),
        .target(name: "BenchPrograms", path: "Tests/Bench/Programs"),
        .executableTarget(
            name: "bench", dependencies: ["TestSupport", "BenchPrograms"], path: "Tests/Bench",
            exclude: ["Programs", "Preload"]),
        .executableTarget(
            name: "compare", dependencies: ["TestSupport"], path: "Tests/Compare", exclude: ["compare.cfg"]),
        .testTarget(name: "CompareTests", dependencies: ["compare", "TestSupport"]),
        .target(
            name: "FuzzProperties",
            dependencies: [
                "Bytes", "SDP", "ControlProtocol", "SharedState", "Transport", "CallControl", "ModuleABI",
                "RTPProxyABI", "Fixtures",
            ],
            path: "Tests/Fuzz/Properties"),
        .target(name: "Fuzz", dependencies: ["FuzzProperties", "Fixtures"], path: "Tests/Fuzz/Entry"),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzProperties"], path: "Tests/Fuzz/Tests"),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"]),
        .testTarget(name: "SDPTests", dependencies: ["SDP", "Bytes", "Fixtures", "FuzzProperties", "TestSupport"]),
        .testTarget(name: "ControlProtocolTests", dependencies: ["ControlProtocol", "Bytes"]),
        .target(name: "Stepping", path: "Tests/Stepping"),
        .testTarget(name: "SharedStateTests", dependencies: ["SharedState", "Bytes", "Stepping"]),
        .testTarget(name: "TransportTests", dependencies: ["Transport", "Bytes", "TestSupport"]),
        .testTarget(
            name: "CallControlTests", dependencies: ["CallControl", "Bytes", "SharedState", "Transport", "TestSupport"]),
        .testTarget(name: "ModuleABITests", dependencies: ["ModuleABI", "RTPProxyABI", "TestSupport"]),
        .testTarget(name: "HostTests", dependencies: ["TestSupport"], path: "Tests/Host", exclude: ["Programs"]),
        .testTarget(name: "KamailioTests", dependencies: ["Fixtures", "TestSupport"], path: "Tests/Kamailio"),
        .testTarget(name: "DatabaseTests", dependencies: ["TestSupport"], path: "Tests/Databases"),
    ],
    swiftLanguageModes: [.v6]
)

// A sanitizer makes everything anew: only these targets, so that it takes seconds.
if let names = Context.environment["RTPPROXY_TARGETS"]?.split(separator: " ").map(String.init) {
    package.targets.removeAll { !names.contains($0.name) }
    package.products = []
}
