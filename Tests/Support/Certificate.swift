// SPDX-License-Identifier: GPL-2.0-or-later
// A certificate for TLS, made when a test runs.

import Foundation

/// A self-signed certificate for 127.0.0.1 and localhost, and its key, in files that end with it.
public final class Certificate: Sendable {
    /// The path of the certificate.
    public let path: String
    /// The path of the private key.
    public let keyPath: String
    /// The SHA-256 of the public key in base64, by which a browser can be told to trust it.
    public let keyHash: String
    private let folder: TemporaryFolder

    /// One for all who need no other.
    public static let shared = Result { try Certificate() }

    /// A configuration with the paths of that one in the place of its own.
    public static func inserted(into text: String) throws -> String {
        guard text.contains("/etc/kamailio/webrtc.pem") else { return text }
        let certificate = try shared.get()
        return text.replacingOccurrences(of: "/etc/kamailio/webrtc.pem", with: certificate.path)
            .replacingOccurrences(of: "/etc/kamailio/webrtc.key", with: certificate.keyPath)
    }

    public init() throws {
        folder = try TemporaryFolder()
        (path, keyPath) = (folder.file("certificate.pem"), folder.file("key.pem"))
        let make = """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -out "$0" -keyout "$1" 2>/dev/null
            openssl x509 -in "$0" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64
            """
        let (end, output) = try ChildProcess.run("/bin/sh", ["-ec", make, path, keyPath], within: 60)
        keyHash = output.trimmingCharacters(in: .whitespacesAndNewlines)
        guard end == .exited(0), keyHash.count == 44 else { throw HarnessError("no certificate: \(output)") }
    }
}
