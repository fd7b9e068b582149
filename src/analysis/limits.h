#pragma once
// Every bound of this module, in one place. Texts past a bound are cut, never refused: a score of the first part beats
// none.

#include <cstddef>

namespace sentinel::analysis {

inline constexpr size_t kTextBytesMax = 64 * 1024;   // scored per text by the linear heads; the rest is not read
inline constexpr size_t kPiiBytesMax = 1024 * 1024;  // scanned for PII; what lies beyond is dropped by redaction
inline constexpr size_t kDecodedSegmentsMax = 4;     // encoded runs decoded and scored again
inline constexpr size_t kDecodedBytesMax = 4096;     // of one decoded run
inline constexpr int kDecodeDepthMax = 2;            // base64 inside base64
inline constexpr size_t kWordBytesMax = 40;          // longer words are cut for n-grams
inline constexpr size_t kPiiMatchesMax = 4096;       // raw pattern matches kept per text
inline constexpr size_t kSupportDocumentBytesMax = 32 * 1024;
inline constexpr size_t kSupportSentencesMax = 256;  // of the document, and of the answer
inline constexpr size_t kSupportPlacesMax = 64;      // of one word of the document, tried for a copied run
inline constexpr size_t kSupportRunMax = 256;        // words of one copied run
inline constexpr size_t kDriftKeysMax = 128;         // references kept; further keys get no drift score
inline constexpr size_t kDriftStateBytesMax = 64 * 1024 * 1024;
inline constexpr size_t kDriftWindowMax = 512;
inline constexpr size_t kPriceNameBytesMax = 200;
inline constexpr size_t kPriceModelsMax = 20'000;
inline constexpr size_t kPriceFileBytesMax = 16 * 1024 * 1024;
inline constexpr size_t kDriftReferenceMax = 1000;        // calls a reference is learnt from
inline constexpr size_t kDriftExamples = 3;               // told of a drifted window
inline constexpr size_t kDriftVersionsMax = 8;            // model versions told apart in one window
inline constexpr size_t kRowBytesMax = 16 * 1024 * 1024;  // a line of a file of texts
inline constexpr size_t kEvidenceMax = 6;
inline constexpr size_t kExplanationLinesMax = 12;  // of one call

}  // namespace sentinel::analysis
