// SPDX-License-Identifier: GPL-2.0-or-later
// What libFuzzer calls: each input goes to the target that FUZZ_TARGET names. With FUZZ_SEEDS, a folder, its seeds are
// written there first.

import Fixtures
import FuzzProperties
import Glibc

/// The target of this process.
private enum Chosen {
    nonisolated(unsafe) static var properties: (any Properties)?
}

private func fail(_ text: String) -> Never {
    let line = Array("\(text)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    abort()
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<Int32>?, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
        fail("FUZZ_TARGET is \"\(name)\", not one of \(names)")
    }
    if let folder = getenv("FUZZ_SEEDS").map({ String(cString: $0) }) {
        for (number, seed) in Seeds.of(target).enumerated() {
            guard InputFile.write(seed.bytes, "\(folder)/seed-\(number)") else {
                fail("\(folder) cannot be written to")
            }
        }
    }
    Chosen.properties = target.properties()
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    do throws(Broken) {
        try Chosen.properties?.check(input)
    } catch {
        fail("broken property: \(error)")
    }
    return 0
}
