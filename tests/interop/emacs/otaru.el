;;; otaru.el --- Emacs in batch mode as a client of the language server  -*- lexical-binding: t -*-

;; Run by tests/interop/test_lsp_clients.py. The first form is what docs/editors.md tells people to
;; write; then a manifest is opened, a problem seen, hover asked, and a verb carried out.

;;; Code:

(require 'package)
(package-initialize)
(require 'eglot)
(define-derived-mode otaru-mode conf-toml-mode "Otaru")
(add-to-list 'auto-mode-alist '("/Otaru\\.toml\\'" . otaru-mode))
(add-to-list 'eglot-server-programs (cons 'otaru-mode (list (getenv "OTARU") "lsp")))

(setq eglot-sync-connect 60
      eglot-connect-timeout 60
      project-find-functions (list (lambda (folder) (cons 'transient folder))))

(defun otaru-wait (what condition)
  "Wait until CONDITION holds; fail with WHAT if it never does."
  (let ((deadline (+ (float-time) 240)))
    (while (not (funcall condition))
      (when (> (float-time) deadline)
        (error "No %s" what))
      (accept-process-output nil 0.05))))

(defvar otaru-finished nil)
(cl-defmethod eglot-handle-notification (_server (_method (eql otaru/jobEvent)) &key event &allow-other-keys)
  "Keep how a job ended."
  (when (equal (plist-get event :kind) "finished")
    (setq otaru-finished (plist-get event :outcome))))
(cl-defmethod eglot-handle-notification (_server (_method (eql otaru/statusChanged)) &key &allow-other-keys)
  "Nothing shows a status here.")

(find-file "Otaru.toml")
(unless (eq major-mode 'otaru-mode)
  (error "The file is opened as %s" major-mode))
(apply #'eglot (eglot--guess-contact))
(otaru-wait "server" #'eglot-current-server)

(let ((right (buffer-string)))
  (goto-char (point-min))
  (search-forward "board")
  (replace-match "bord")
  (eglot--signal-textDocument/didChange)
  (otaru-wait "diagnostic"
              (lambda ()
                (flymake-start)
                (cl-some (lambda (found)
                           (string-match-p "bord" (flymake-diagnostic-text found)))
                         (flymake-diagnostics))))
  (erase-buffer)
  (insert right)
  (eglot--signal-textDocument/didChange))

(goto-char (point-min))
(search-forward "board")
(let ((hover (jsonrpc-request (eglot-current-server) :textDocument/hover
                              (eglot--TextDocumentPositionParams))))
  (unless (string-match-p "board" (format "%S" hover))
    (error "Hover says %S" hover)))

(eglot-execute-command (eglot-current-server) "otaru.doctor" (vector))
(otaru-wait "end of the doctor" (lambda () otaru-finished))
(princ (format "doctor: %s\n" (plist-get otaru-finished :kind)))
(set-buffer-modified-p nil)
(eglot-shutdown (eglot-current-server))
(kill-emacs 0)

;;; otaru.el ends here
