(component
  ;; A policy in the component text format. The tests put in what is between percent signs:
  ;; imports  component imports; lowered  the core functions made of them
  ;; wiring   those core functions as arguments of the main module
  ;; pages    pages of memory
  ;; main     the main module's functions: configure and decide, and what they need
  %imports%
  (core module $memory
    (memory (export "memory") %pages%)
    (global $next (mut i32) (i32.const 4096))
    ;; Grows only: an instance lives for one call.
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core instance $memory (instantiate $memory))
  %lowered%
  (core module $main
    (import "env" "memory" (memory 1))
    %main%)
  (core instance $main (instantiate $main
    (with "env" (instance (export "memory" (memory $memory "memory"))))
    %wiring%))

  (type $problem (record (field "setting" string) (field "message" string)))
  (type $label (record (field "name" string) (field "value" string)))
  (type $pod (record (field "namespace" string) (field "name" string) (field "uid" string)
    (field "service-account" string) (field "labels" (list $label))))
  (type $identity-selector (variant (case "unspecified") (case "client-id" string) (case "object-id" string)
    (case "resource-id" string)))
  (type $token-request (record (field "path" string) (field "resource" string) (field "identity" $identity-selector)))
  (type $pod-exception (record (field "name" string) (field "pod-labels" (list $label))))
  (type $question (record (field "pod" $pod) (field "request" $token-request) (field "exceptions" (list $pod-exception))))
  (type $verdict (variant (case "pass") (case "bypass") (case "deny" string) (case "restrict" (list string))))

  (func $configure (param "settings" string) (result (result (error (list $problem))))
    (canon lift (core func $main "configure") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (func $decide (param "question" $question) (result $verdict)
    (canon lift (core func $main "decide") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))

  ;; The types of an exported function must have names of the same instance.
  (component $named
    (type $problem0 (record (field "setting" string) (field "message" string)))
    (import "problem" (type $problem (eq $problem0)))
    (type $label0 (record (field "name" string) (field "value" string)))
    (import "label" (type $label (eq $label0)))
    (type $pod0 (record (field "namespace" string) (field "name" string) (field "uid" string)
      (field "service-account" string) (field "labels" (list $label))))
    (import "pod" (type $pod (eq $pod0)))
    (type $identity-selector0 (variant (case "unspecified") (case "client-id" string) (case "object-id" string)
      (case "resource-id" string)))
    (import "identity-selector" (type $identity-selector (eq $identity-selector0)))
    (type $token-request0 (record (field "path" string) (field "resource" string) (field "identity" $identity-selector)))
    (import "token-request" (type $token-request (eq $token-request0)))
    (type $pod-exception0 (record (field "name" string) (field "pod-labels" (list $label))))
    (import "pod-exception" (type $pod-exception (eq $pod-exception0)))
    (type $question0 (record (field "pod" $pod) (field "request" $token-request) (field "exceptions" (list $pod-exception))))
    (import "question" (type $question (eq $question0)))
    (type $verdict0 (variant (case "pass") (case "bypass") (case "deny" string) (case "restrict" (list string))))
    (import "verdict" (type $verdict (eq $verdict0)))
    (import "configure" (func $configure (param "settings" string) (result (result (error (list $problem))))))
    (import "decide" (func $decide (param "question" $question) (result $verdict)))
    (export $problem1 "problem" (type $problem))
    (export $label1 "label" (type $label))
    (type $pod2 (record (field "namespace" string) (field "name" string) (field "uid" string)
      (field "service-account" string) (field "labels" (list $label1))))
    (export $pod1 "pod" (type $pod2))
    (export $identity-selector1 "identity-selector" (type $identity-selector))
    (type $token-request2 (record (field "path" string) (field "resource" string) (field "identity" $identity-selector1)))
    (export $token-request1 "token-request" (type $token-request2))
    (type $pod-exception2 (record (field "name" string) (field "pod-labels" (list $label1))))
    (export $pod-exception1 "pod-exception" (type $pod-exception2))
    (type $question2 (record (field "pod" $pod1) (field "request" $token-request1) (field "exceptions" (list $pod-exception1))))
    (export $question1 "question" (type $question2))
    (export $verdict1 "verdict" (type $verdict))
    (export "configure" (func $configure)
      (func (param "settings" string) (result (result (error (list $problem1))))))
    (export "decide" (func $decide) (func (param "question" $question1) (result $verdict1))))
  (instance $policy (instantiate $named
    (with "problem" (type $problem)) (with "label" (type $label)) (with "pod" (type $pod))
    (with "identity-selector" (type $identity-selector)) (with "token-request" (type $token-request))
    (with "pod-exception" (type $pod-exception)) (with "question" (type $question)) (with "verdict" (type $verdict))
    (with "configure" (func $configure)) (with "decide" (func $decide))))
  (export "podgate:policy/decide@0.1.0" (instance $policy)))
